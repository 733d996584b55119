"""Step 1: which models, and which data."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import gradio as gr
from markupsafe import Markup

from hubmerge.recipe import Recipe
from spaces_app.host import Example
from spaces_app.ui import plan_view
from spaces_app.ui.context import Context
from spaces_app.ui.search_field import Search
from spaces_app.ui.steps import QUIET, heading
from spaces_app.ui.wording import LABELS

FIELDS = ("a", "b", "more", "data")
"""What the page's address calls the fields: ?a=OWNER/A&b=OWNER/B&data=OWNER/D fills them in."""
NONE_KNOWN = Markup(
    '<p class="hm-quiet">Nothing to try with one click is known on this Hub. The '
    '<a href="gallery">gallery</a> shows merges whose parents can be merged again.</p>'
)
MORE = "One name or address per line; all are merged at once"


class Pick:
    """Two models or more, and a data set; the plan as soon as there are two."""

    def __init__(self, context: Context) -> None:
        self._context = context
        heading(1, "Pick", "Two models of the same architecture, trained apart from each other.")
        if not context.host.examples:
            gr.HTML(NONE_KNOWN, elem_id="no-examples")
        with gr.Row(elem_classes="hm-examples"):
            self.examples = [
                gr.Button(f"Try: {example.name}", size="sm", min_width=120)
                for example in context.host.examples
            ]
        with gr.Row():
            first = Search(context, "Model A", "pick-a")
            second = Search(context, "Model B", "pick-b")
        rows = f"{LABELS['dataset']} (without one, nothing is measured)"
        data = Search(context, rows, "pick-data", "dataset")
        self._searches = (first, second, data)
        self.a, self.b, self.data = (each.field for each in self._searches)
        with gr.Accordion("More than two models", open=False):
            self.more = gr.Textbox(label="Further models", info=MORE, lines=2, elem_id="pick-more")
        self.plan = gr.HTML(plan_view.NOTHING, elem_id="plan")
        self.picked = gr.State(None)

    @property
    def fields(self) -> list[Any]:
        """What a recipe is made from."""
        return [self.a, self.b, self.more, self.data]

    @property
    def settled(self) -> list[Any]:
        """Events after which somebody has said what they want, and is not just typing."""
        said = [event for field in self.fields for event in (field.submit, field.blur)]
        return [*said, self.picked.change]

    def wire(self) -> list[Any]:
        """Names while somebody types, and examples; returns the events that fill everything in."""
        for each in self._searches:
            each.wire(self.picked)
        return [
            button.click(self._filled(example), None, self.fields, queue=False, **QUIET)
            for button, example in zip(self.examples, self._context.host.examples, strict=True)
        ]

    @staticmethod
    def of(recipe: Recipe) -> list[Any]:
        """The fields as a merge that was started filled them in."""
        a, b, *more = recipe.models
        return [a, b, "\n".join(more), recipe.dataset.id if recipe.dataset else ""]

    @staticmethod
    def asked(address: Mapping[str, str]) -> list[Any]:
        """The fields as the page's address fills them in, if it does."""
        if not any(address.get(name) for name in FIELDS):
            return [gr.skip()] * len(FIELDS)
        a, b, more, data = (address.get(name, "") for name in FIELDS)
        return [a, b, "\n".join(more.split()), data]

    @staticmethod
    def _filled(example: Example) -> Any:
        a, b, *more = example.models
        return lambda: [a, b, "\n".join(more), example.dataset or ""]
