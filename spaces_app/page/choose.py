"""Step 2: how, or nothing at all; and the recipe as a file, a command and a program."""

from __future__ import annotations

from typing import Any

import gradio as gr
from markupsafe import Markup

from hubmerge.fuse import fusions
from hubmerge.matching import learners, matchers
from hubmerge.recipe import MIDDLE, Recipe
from hubmerge.repair import repairs
from spaces_app.page import levels, markup, recipe_text
from spaces_app.page.context import Context
from spaces_app.page.steps import QUIET, heading
from spaces_app.page.wording import FUSION, MATCHING, REPAIR, SYMMETRIES
from spaces_app.service.job import Refused, refusing

EMPTY = ("", "", "")
IN_USE = "Its models and options are used, and what stands in the fields above is not."


class Choose:
    """The level, the fold with everything else, and the recipe they make."""

    def __init__(self, context: Context) -> None:
        self._limit = context.desk.limits.recipe
        heading(2, "Choose, or don't", "The middle one is right for most.")
        self.level = gr.Radio(
            list(levels.LEVELS.items()),
            value=levels.STANDARD,
            label="How thorough?",
            elem_id="level",
        )
        with gr.Accordion("Advanced", open=False, elem_id="advanced"):
            self._fold()
        with gr.Accordion("The recipe, to run it anywhere", open=False, elem_id="recipe"):
            with gr.Tab("YAML"):
                self.yaml = gr.Code(language="yaml", label="hubmerge.yaml", interactive=False)
            with gr.Tab("Command line"):
                self.command = gr.Code(language="shell", label="Command", interactive=False)
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

    def _fold(self) -> None:
        with gr.Row():
            self.match = gr.Dropdown(
                [levels.AS_CHOSEN, "auto", *matchers(), *learners(), "none"],
                value=levels.AS_CHOSEN,
                label=MATCHING,
                info="How it is found out which unit of one model does the job of which.",
            )
            self.fuse = gr.Dropdown(
                [levels.AS_CHOSEN, ("auto", "auto"), *_fusions()],
                value=levels.AS_CHOSEN,
                label=FUSION,
                info="How matched models become one, and which rows are looked at for it. Those "
                "that need a common base take a recipe.",
            )
            self.repair = gr.Dropdown(
                ["auto", "none", *repairs()],
                value="auto",
                label=REPAIR,
                info="What is done about statistics that averaging spoils.",
            )
        with gr.Row():
            self.symmetry = gr.Radio(
                [("all the family allows", "all"), ("reordering alone", "permutations")],
                value="all",
                label=SYMMETRIES,
                info="Some models may be rotated, too, without changing what they compute.",
            )
            self.labels = gr.Radio(
                [("by name", "by-name"), ("by number", "by-index")],
                value="by-name",
                label="Classes",
                info="How the two models' classes are brought together.",
            )
        with gr.Row():
            self.lam = gr.Slider(
                0,
                1,
                MIDDLE,
                step=0.05,
                label="λ, the share of model B",
                info="0.5 weighs both alike; with “Best” it is chosen on validation rows.",
            )
            self.samples = gr.Number(
                None,
                precision=0,
                minimum=1,
                label="Rows to measure on",
                info="Empty: 1,000, or what there is.",
            )
            self.calibration = gr.Number(
                None,
                precision=0,
                minimum=0,
                label="Rows to match on",
                info="Empty: 1,000, or what there is.",
            )
            self.seed = gr.Number(
                0, precision=0, minimum=0, label="Seed", info="Decides every random choice."
            )

    @property
    def fields(self) -> list[Any]:
        """What a recipe is made from, beside what was picked."""
        return [
            self.given,
            self.level,
            self.match,
            self.fuse,
            self.repair,
            self.symmetry,
            self.labels,
            self.lam,
            self.samples,
            self.calibration,
            self.seed,
        ]

    @property
    def texts(self) -> list[Any]:
        """Where the recipe is shown."""
        return [self.yaml, self.command, self.python]

    def wire(self) -> None:
        """A file that is dropped in replaces everything that was chosen, until it is removed."""

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


def _fusions() -> list[tuple[str, str]]:
    """What is shown and what is meant: every fusion that needs no base, marked by its rows."""
    return [
        (f"{fusion.name} ({fusion.needs})", fusion.name)
        for fusion in fusions().values()
        if not fusion.needs_base
    ]


def recipe_of(
    a: str | None,
    b: str | None,
    more: str | None,
    data: str | None,
    given: str | None,
    level: str,
    match: str,
    fuse: str,
    repair: str,
    symmetry: str,
    labels: str,
    lam: float,
    samples: float | None,
    calibration: float | None,
    seed: float | None,
) -> Recipe | None:
    """The recipe of both panels' fields; None as long as it has not two models.

    Raises: RecipeError.
    """
    if given:
        return recipe_text.from_yaml(given)
    names = [name for name in (a, b, *(more or "").split()) if name and name.strip()]
    if len(names) < 2:
        return None
    advanced = levels.Advanced(
        match,
        fuse,
        repair,
        symmetry,
        labels,
        float(lam),
        int(samples) if samples else None,
        None if calibration is None else int(calibration),
        int(seed or 0),
    )
    return levels.to_recipe(names, data, level, advanced)


def told(recipe: Recipe | None) -> tuple[str, str, str]:
    """The recipe three times."""
    if recipe is None:
        return EMPTY
    return recipe.to_yaml(), recipe_text.as_command(recipe), recipe_text.as_python(recipe)
