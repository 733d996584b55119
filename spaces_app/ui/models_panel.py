"""What is merged: two or more models, and the data set that matches and measures them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import urlencode

import gradio as gr
from markupsafe import Markup

from hubmerge.recipe import Recipe
from spaces_app.service import hub_queries as hub
from spaces_app.ui import markup
from spaces_app.ui.context import Context
from spaces_app.ui.search_field import PICK, SearchField
from spaces_app.ui.steps import PLAIN, QUIET
from spaces_app.ui.strict_page import told
from spaces_app.ui.suggestion import Suggestion
from spaces_app.ui.wording import LABELS

FIELDS = ("a", "b", "more", "data")
"""Query parameters that fill in the fields: ?a=OWNER/A&b=OWNER/B&data=OWNER/D."""
ROWS = "Without one, nothing is measured"
MORE = "One id or URL per line; all models are merged together"
FROM_CARDS = "The models' cards name"


class ModelsPanel:
    """Fields for two or more models and a data set."""

    def __init__(self, context: Context) -> None:
        self._context = context
        with gr.Row(elem_classes="hm-pick"):
            first = SearchField(context, "Model A", "pick-a")
            second = SearchField(context, "Model B", "pick-b")
            data = SearchField(context, LABELS["dataset"], "pick-data", "dataset", ROWS)
        self._searches = (first, second, data)
        self.a, self.b, self.data = (each.field for each in self._searches)
        self.suggestion = Suggestion(self.data)
        self.offered = gr.HTML(elem_id="offered-data", js_on_load=PICK, **PLAIN)
        with gr.Accordion("More than two models", open=False):
            self.more = gr.Textbox(label="Further models", info=MORE, lines=2, elem_id="pick-more")

    @property
    def fields(self) -> list[Any]:
        """Fields of the recipe."""
        return [self.a, self.b, self.more, self.data]

    @property
    def settled(self) -> list[Any]:
        """Events that end the input to a field: submit, blur or a chosen suggestion."""
        return [event for field in self.fields for event in (field.submit, field.blur)]

    def wire(self) -> list[Any]:
        """Connect suggestions and offered data sets; returns the events that take one of them."""
        first, second, data = self._searches
        taken = self.offered.select(self._take, None, self.data, queue=False, **QUIET)
        return [first.wire(), second.wire(beside=first), data.wire(), taken]

    def offer(self, a: str, b: str, data: str, request: gr.Request) -> tuple[Markup, str]:
        """Data sets of both cards, and the one to suggest: the only one that both name."""
        visitor = self._context.visitor(request)
        known = [hub.describe(visitor, each or "") for each in (a, b)]
        found = [each for each in known if each is not None]
        shared, further = hub.common_datasets(found)
        suggested = shared[0] if len(found) == 2 and len(shared) == 1 else ""
        return offer([*shared, *further], (data or "").strip() or suggested), suggested

    @staticmethod
    def _take(event: gr.EventData) -> str:
        return str(told(event, "pick"))[:200]

    @staticmethod
    def from_recipe(recipe: Recipe) -> list[Any]:
        """Values of the fields for a recipe."""
        a, b, *more = recipe.models
        return [a, b, "\n".join(more), recipe.dataset.id if recipe.dataset else ""]

    @staticmethod
    def from_query(address: Mapping[str, str]) -> list[Any]:
        """Values of the fields from the query parameters, if there are any."""
        if not any(address.get(name) for name in FIELDS):
            return [gr.skip()] * len(FIELDS)
        a, b, more, data = (address.get(name, "") for name in FIELDS)
        return [a, b, "\n".join(more.split()), data]


def to_query(models: Sequence[str], data: str | None) -> str:
    """The query that fills in these models and this data set; see `ModelsPanel.from_query`."""
    given = dict(zip(FIELDS, [*models[:2], " ".join(models[2:]), data], strict=False))
    return urlencode({name: value for name, value in given.items() if value})


def offer(names: list[str], chosen: str) -> Markup:
    """Data sets that cards name, as buttons that fill them in."""
    if not names:
        return markup.NONE
    buttons = markup.join(_button(name, name == chosen.strip()) for name in names[:6])
    return Markup('<p class="hm-quiet">{} {}</p>').format(FROM_CARDS, buttons)


def _button(name: str, pressed: bool) -> Markup:
    return Markup(
        '<button type="button" class="hm-chosen" data-pick="{}" aria-pressed="{}">{}</button>'
    ).format(name, "true" if pressed else "false", markup.text(name))
