"""The fold of step 2: method by method, for who wants to choose them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import gradio as gr

from hubmerge.errors import RecipeError
from hubmerge.errors.wording import option
from hubmerge.pipeline.methods import is_training_run
from hubmerge.recipe import MIDDLE, SAME
from spaces_app.ui import method_choices as allowed
from spaces_app.ui import presets as levels
from spaces_app.ui.context import Context
from spaces_app.ui.search_field import SearchField
from spaces_app.ui.steps import QUIET
from spaces_app.ui.wording import LABELS, choices

BASE = "Empty, unless the models were all trained further from one: it opens other fusions."
ROWS = "Empty: 1,000, or what there is."
EVERYTHING = allowed.Given(data=True)


class Fold:
    """Its fields, which offer what works with what was picked."""

    def __init__(self, context: Context) -> None:
        with gr.Accordion("Advanced", open=False, elem_id="advanced"):
            with gr.Row():
                self.match = gr.Dropdown(
                    allowed.matchings(EVERYTHING),
                    value=levels.AS_CHOSEN,
                    label=LABELS["match"],
                    info="How it is found out which unit of one model does the job of which.",
                    elem_id="match",
                )
                self.fuse = gr.Dropdown(
                    allowed.fusings(EVERYTHING),
                    value=levels.AS_CHOSEN,
                    label=LABELS["fuse"],
                    info="How matched models become one.",
                    elem_id="fuse",
                )
                self.repair = gr.Dropdown(
                    allowed.repairings(EVERYTHING),
                    value="auto",
                    label=LABELS["repair"],
                    info="What is done about statistics that averaging spoils.",
                )
            gr.HTML(allowed.explained())
            self._search = SearchField(context, LABELS["base"], "pick-base", info=BASE)
            self.base = self._search.field
            self._choices()
            self._numbers()
        self._picked = gr.State(None)

    def _choices(self) -> None:
        with gr.Row():
            self.symmetry = gr.Radio(
                choices("symmetry"),
                value="auto",
                label=LABELS["symmetry"],
                info="Some models may be rotated, too, without changing what they compute.",
            )
            self.labels = gr.Radio(
                choices("labels"),
                value="by-name",
                label=LABELS["labels"],
                info="How the two models' classes are brought together.",
            )
            self.heads = gr.Radio(
                choices("heads"),
                value=SAME,
                label=LABELS["heads"],
                info="One model can be made that knows the classes of all.",
                elem_id="heads",
            )

    def _numbers(self) -> None:
        with gr.Row():
            self.lam = gr.Slider(
                0,
                1,
                MIDDLE,
                step=0.05,
                label=LABELS["lam"],
                info="0.5 weighs both alike; with “Best” it is chosen on validation rows.",
            )
            self.samples = _number(LABELS["samples"], ROWS)
            self.calibration = _number(LABELS["calibration_samples"], ROWS)
            self.seed = _number(LABELS["seed"], "Empty: 0. Decides every random choice.")
        self.survey = gr.CheckboxGroup(
            allowed.surveys(EVERYTHING),
            label=LABELS["survey"],
            info="Measured and drawn beside the verdict, on the same data set; takes longer.",
            elem_id="survey",
        )

    @property
    def fields(self) -> list[Any]:
        """What goes into a recipe, in the order of `levels.Advanced`."""
        return [
            self.match,
            self.fuse,
            self.base,
            self.repair,
            self.symmetry,
            self.labels,
            self.heads,
            self.lam,
            self.samples,
            self.calibration,
            self.seed,
            self.survey,
        ]

    @property
    def settled(self) -> list[Any]:
        """Events after which something was chosen, and is not just being typed."""
        typed = [self.base, self.samples, self.calibration, self.seed]
        said = [event for field in typed for event in (field.submit, field.blur)]
        methods: list[Any] = [self.match, self.fuse, self.repair]
        chosen = [*methods, self.symmetry, self.labels, self.heads, self.lam, self.survey]
        return [*said, self._picked.change, *(field.change for field in chosen)]

    def wire(self, picked: Sequence[Any], level: gr.Radio) -> None:
        """picked: fields of model A, model B, further ones, and the data set."""
        self._search.wire(self._picked)
        offered = [self.survey, self.match, self.fuse, self.repair]
        inputs = [*picked, self.base, level, *offered]
        gr.on(
            [field.change for field in (*picked, self.base, level)],
            _offer,
            inputs,
            offered,
            queue=False,
            trigger_mode="always_last",
            **QUIET,
        )


def _offer(
    a: str,
    b: str,
    more: str,
    data: str,
    base: str,
    level: str,
    survey: list[str] | None,
    *chosen: str | None,
) -> list[Any]:
    """What may be chosen now; what was chosen stays, if it still may."""
    names = levels.named(a, b, more)
    given = allowed.Given(
        data=bool(data and data.strip()) and level != levels.QUICK,
        base=bool(base and base.strip()),
        run=len(names) > 1 and is_training_run(names),
        many=len(names) > 2,
    )
    around = allowed.surveys(given)
    asked = [name for name in survey or () if name in dict(around).values()]
    lists = (allowed.matchings(given), allowed.fusings(given), allowed.repairings(given))
    return [gr.update(choices=around, value=asked)] + [
        gr.update(choices=choices, value=now if now in dict(choices).values() else choices[0][1])
        for choices, now in zip(lists, chosen, strict=True)
    ]


def _number(label: str, info: str) -> gr.Textbox:
    """A field that may be empty, which a field for numbers may not."""
    return gr.Textbox(label=label, info=info, max_lines=1)


def whole(field: str, typed: str | None) -> int | None:
    """The number typed for a field, thousands grouped or not. Raises: RecipeError."""
    digits = (typed or "").replace(",", "").replace(" ", "")
    if not digits:
        return None
    if not (digits.isascii() and digits.isdecimal() and len(digits) < 16):
        raise RecipeError(option(field, typed), hint="a whole number, or nothing", field=field)
    return int(digits)
