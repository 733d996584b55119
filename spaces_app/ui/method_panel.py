"""How thoroughly, or method by method; and the recipe as a file, a command and a program."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import gradio as gr
from markupsafe import Markup

from hubmerge.recipe import Recipe
from spaces_app.service.job import Refused, refusing
from spaces_app.ui import markup, plan_view, recipe_text
from spaces_app.ui import presets as levels
from spaces_app.ui.advanced_panel import AdvancedPanel, values_of
from spaces_app.ui.context import Context
from spaces_app.ui.steps import QUIET

EMPTY = ("", "", "")
IN_USE = "Its models and options are used, and what stands in the fields above is not."


class MethodPanel:
    """The level, the fold with everything else, and the recipe they make."""

    def __init__(self, context: Context) -> None:
        self._limit = context.jobs.limits.recipe
        self.level = gr.Radio(
            list(levels.LEVELS.items()),
            value=levels.STANDARD,
            label="How thorough?",
            info="The middle one is right for most.",
            elem_id="level",
        )
        self.plan = gr.HTML(plan_view.NOTHING, elem_id="plan")
        self.fold = AdvancedPanel(context)
        with gr.Accordion("The recipe, to run it anywhere", open=False, elem_id="recipe"):
            with gr.Tab("YAML"):
                self.yaml = gr.Code(language="yaml", label="hubmerge.yaml", interactive=False)
            with gr.Tab("Command line"):
                self.command = gr.Code(label="Command", interactive=False)
            with gr.Tab("Python"):
                self.python = gr.Code(language="python", label="Python", interactive=False)
            self.file = gr.File(
                label="Drop a hubmerge.yaml here, and it is used instead of what is chosen above",
                file_types=[".yaml", ".yml"],
                type="binary",
                height=120,
                elem_id="recipe-file",
            )
        self.given = gr.State(None)
        self.dropped = gr.HTML(elem_id="dropped")

    @property
    def fields(self) -> list[Any]:
        """What a recipe is made from, beside what was picked."""
        return [self.given, self.level, *self.fold.fields]

    @property
    def settled(self) -> list[Any]:
        """Events after which something was chosen, and is not just being typed."""
        return [self.given.change, self.level.change, *self.fold.settled]

    @property
    def texts(self) -> list[Any]:
        """Where the recipe is shown."""
        return [self.yaml, self.command, self.python]

    def wire(self, picked: Sequence[Any]) -> Any:
        """A file that is dropped in replaces everything that was chosen, until it is removed.

        Returns the event that takes a suggestion of the fold's.
        """

        def dropped(content: bytes | None) -> tuple[str | None, Markup]:
            if content is None:
                return None, markup.NONE
            try:
                with refusing():
                    text = content.decode(errors="replace")
                    given = recipe_text.from_yaml(text, self._limit)
            except Refused as refused:
                return None, markup.refusal(refused.refusal, "The file is not used")
            said = Markup("<p>{} {}</p>").format(IN_USE, "Remove the file to choose again.")
            return given.to_yaml(), markup.card("The recipe of the file", said, "hm-warn")

        self.file.change(dropped, self.file, [self.given, self.dropped], **QUIET)
        return self.fold.wire(picked, self.level)


def recipe_of(
    a: str | None,
    b: str | None,
    more: str | None,
    data: str | None,
    given: str | None,
    level: str,
    *typed: Any,
) -> Recipe | None:
    """The recipe of both panels' fields; None as long as it has not two models.

    Parameters:
        given: a recipe's file, which replaces everything else.
        typed: what stands in the advanced panel, in its order.

    Raises: RecipeError.
    """
    if given:
        return recipe_text.from_yaml(given)
    names = levels.named(a, b, more)
    if len(names) < 2:
        return None
    return levels.to_recipe(names, data, level, values_of(typed))


def texts_of(recipe: Recipe | None) -> tuple[str, str, str]:
    """The recipe three times."""
    if recipe is None:
        return EMPTY
    return recipe.to_yaml(), recipe_text.as_command(recipe), recipe_text.as_python(recipe)
