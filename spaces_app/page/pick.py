"""Step 1: which models, and which data."""

from __future__ import annotations

from typing import Any

import gradio as gr

from hubmerge.hub.source import RepoType
from spaces_app.host import Example
from spaces_app.page import plan_view
from spaces_app.page.context import Context
from spaces_app.page.steps import QUIET, heading
from spaces_app.service import hub

PASTE = "Type to search, or paste a name or an address of the Hub"
MORE = "More models, merged all at once"


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
        with gr.Row():
            self.a = self._search("Model A", "pick-a")
            self.b = self._search("Model B", "pick-b")
        self.data = self._search(
            "Data set (optional, but nothing is measured without)", "pick-data"
        )
        with gr.Accordion("More than two models", open=False):
            self.more = gr.Dropdown(
                [],
                label=MORE,
                info=PASTE,
                multiselect=True,
                allow_custom_value=True,
                elem_id="pick-more",
            )
        for field in (self.a, self.b, self.more):
            self._offer(field, "model")
        self._offer(self.data, "dataset")
        self.plan = gr.HTML(plan_view.NOTHING, elem_id="plan")

    @property
    def fields(self) -> list[Any]:
        """What a recipe is made from."""
        return [self.a, self.b, self.more, self.data]

    def _search(self, label: str, name: str) -> gr.Dropdown:
        return gr.Dropdown(
            [],
            value=None,
            label=label,
            info=PASTE,
            allow_custom_value=True,
            elem_id=name,
            min_width=260,
        )

    def _offer(self, field: gr.Dropdown, kind: RepoType) -> None:
        """Names from the Hub while somebody types."""

        def typed(pressed: gr.KeyUpData, request: gr.Request) -> Any:
            person = self._context.person(request)
            return gr.update(choices=hub.search(person, pressed.input_value, kind))

        def first(request: gr.Request) -> Any:
            return gr.update(choices=hub.search(self._context.person(request), "", kind))

        field.key_up(typed, None, field, trigger_mode="always_last", queue=False, **QUIET)
        field.focus(first, None, field, queue=False, **QUIET)

    def wire(self) -> None:
        """One click on an example fills everything in."""
        for button, example in zip(self.examples, self._context.host.examples, strict=True):

            def fill(example: Example = example) -> list[Any]:
                a, b, *more = example.models
                return [a, b, more, example.dataset]

            button.click(fill, None, self.fields, queue=False, **QUIET)
