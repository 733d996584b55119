"""Step 1: the models and the data set."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import gradio as gr
from markupsafe import Markup

from hubmerge.recipe import Recipe
from spaces_app.host import Example
from spaces_app.ui import plan_view
from spaces_app.ui.context import Context
from spaces_app.ui.search_field import SearchField
from spaces_app.ui.steps import QUIET, heading
from spaces_app.ui.wording import LABELS

FIELDS = ("a", "b", "more", "data")
"""Query parameters that fill in the fields: ?a=OWNER/A&b=OWNER/B&data=OWNER/D."""
NO_EXAMPLES = Markup(
    '<p class="hm-quiet">There are no examples for this Hub. The '
    '<a href="gallery">gallery</a> shows merges whose parents can be merged again.</p>'
)
MORE = "One id or URL per line; all models are merged together"


class ModelsPanel:
    """Fields for two or more models and a data set, and the plan of their merge."""

    def __init__(self, context: Context) -> None:
        self._context = context
        heading(1, "Models", "Two models of the same architecture, trained independently.")
        if not context.host.examples:
            gr.HTML(NO_EXAMPLES, elem_id="no-examples")
        with gr.Row(elem_classes="hm-examples"):
            self.examples = [
                gr.Button(f"Try: {example.name}", size="sm", min_width=120)
                for example in context.host.examples
            ]
        with gr.Row():
            first = SearchField(context, "Model A", "pick-a")
            second = SearchField(context, "Model B", "pick-b")
        rows = f"{LABELS['dataset']} (without one, nothing is evaluated)"
        data = SearchField(context, rows, "pick-data", "dataset")
        self._searches = (first, second, data)
        self.a, self.b, self.data = (each.field for each in self._searches)
        with gr.Accordion("More than two models", open=False):
            self.more = gr.Textbox(label="Further models", info=MORE, lines=2, elem_id="pick-more")
        self.plan = gr.HTML(plan_view.NOTHING, elem_id="plan")
        self.picked = gr.State(None)

    @property
    def fields(self) -> list[Any]:
        """Fields of the recipe."""
        return [self.a, self.b, self.more, self.data]

    @property
    def settled(self) -> list[Any]:
        """Events that end the input to a field: submit, blur or a chosen suggestion."""
        said = [event for field in self.fields for event in (field.submit, field.blur)]
        return [*said, self.picked.change]

    def wire(self) -> list[Any]:
        """Connect suggestions and examples; returns the events that fill in an example."""
        for each in self._searches:
            each.wire(self.picked)
        return [
            button.click(self._example_values(example), None, self.fields, queue=False, **QUIET)
            for button, example in zip(self.examples, self._context.host.examples, strict=True)
        ]

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

    @staticmethod
    def _example_values(example: Example) -> Any:
        a, b, *more = example.models
        return lambda: [a, b, "\n".join(more), example.dataset or ""]
