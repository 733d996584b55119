"""Step 1: which models, and which data."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import gradio as gr
from markupsafe import Markup

from hubmerge.hub.source import RepoType
from hubmerge.recipe import Recipe
from spaces_app.host import Example
from spaces_app.page import markup, plan_view
from spaces_app.page.context import Context
from spaces_app.page.steps import QUIET, heading
from spaces_app.service import hub

PASTE = "Type to search, or paste a name or an address of the Hub"
MORE = "One name or address per line; all are merged at once"
CONNECT = """() => { for (const name of ['pick-a', 'pick-b', 'pick-data'])
  document.querySelector(`#${name} input`)?.setAttribute('list', `${name}-names`); }"""
"""Shows what the Hub offers below the field, as the browser does it."""


class Pick:
    """Two models or more, and a data set; the plan as soon as there are two."""

    def __init__(self, context: Context) -> None:
        self._context = context
        heading(1, "Pick", "Two models of the same architecture, trained apart from each other.")
        with gr.Row(elem_classes="hm-examples"):
            self.examples = [
                gr.Button(f"Try: {example.name}", size="sm", min_width=120)
                for example in context.host.examples
            ]
        self._offers: dict[str, gr.HTML] = {}
        with gr.Row():
            self.a = self._search("Model A", "pick-a")
            self.b = self._search("Model B", "pick-b")
        self.data = self._search("Data set (without one, nothing is measured)", "pick-data")
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

    def _search(self, label: str, name: str) -> gr.Textbox:
        with gr.Column(min_width=260):
            field = gr.Textbox(label=label, info=PASTE, max_lines=1, elem_id=name)
            self._offers[name] = gr.HTML(offer(name, ()), elem_classes="hm-offer")
        return field

    def wire(self) -> list[Any]:
        """Names while somebody types, and examples; returns the events that fill everything in."""
        self._look_up(self.a, "model")
        self._look_up(self.b, "model")
        self._look_up(self.data, "dataset")
        return [
            button.click(self._filled(example), None, self.fields, queue=False, **QUIET)
            for button, example in zip(self.examples, self._context.host.examples, strict=True)
        ]

    def _look_up(self, field: gr.Textbox, kind: RepoType) -> None:
        name = str(field.elem_id)

        def found(typed: str, request: gr.Request) -> tuple[Markup, Any]:
            names = hub.search(self._context.person(request), typed, kind)
            taken = (name, typed) if typed in names else gr.skip()
            return offer(name, names), taken

        outputs = [self._offers[name], self.picked]
        for event in (field.input, field.focus):
            event(found, field, outputs, trigger_mode="always_last", queue=False, **QUIET)

    @staticmethod
    def of(recipe: Recipe | None) -> list[Any]:
        """The fields as a merge that was started filled them in."""
        if recipe is None:
            return [gr.skip()] * 4
        a, b, *more = recipe.models
        return [a, b, "\n".join(more), recipe.dataset.id if recipe.dataset else ""]

    @staticmethod
    def _filled(example: Example) -> Any:
        a, b, *more = example.models
        return lambda: [a, b, "\n".join(more), example.dataset or ""]


def offer(name: str, found: Sequence[str]) -> Markup:
    """What the field `name` offers to be taken."""
    options = markup.join(Markup('<option value="{}"></option>').format(each) for each in found)
    return Markup('<datalist id="{}-names">{}</datalist>').format(name, options)
