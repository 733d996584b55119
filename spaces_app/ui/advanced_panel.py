"""The fold of step 2: method by method, for who wants to choose them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import gradio as gr

from hubmerge.errors import RecipeError
from hubmerge.errors.wording import option
from hubmerge.options.declared import DeclaredOption, options_of
from hubmerge.pipeline.methods import is_training_run
from hubmerge.recipe import Recipe
from spaces_app.ui import method_choices as allowed
from spaces_app.ui import presets as levels
from spaces_app.ui.context import Context
from spaces_app.ui.search_field import SearchField
from spaces_app.ui.steps import QUIET
from spaces_app.ui.wording import choices, label_of

ROWS = "Empty: 1,000, or what there is."
INFO = {
    "base": "Empty, unless the models were all trained further from one: it opens other fusions.",
    "lam": "0.5 weighs both alike; with “Best” it is chosen on validation rows.",
    "samples": ROWS,
    "calibration_samples": ROWS,
    "seed": "Empty: 0. Seed of every random choice.",
    "survey": "Measured and drawn beside the verdict, on the same data set; takes longer.",
}
"""Field -> what stands below its label, where it is not the help of its option."""
OFFERED: dict[str, Callable[[allowed.Given], allowed.Choices]] = {
    "match": allowed.matchings,
    "fuse": allowed.fusings,
    "repair": allowed.repairings,
    "survey": allowed.surveys,
}
"""Field -> what may be chosen, which depends on the models and the data set."""
EVERYTHING = allowed.Given(data=True)


class AdvancedPanel:
    """A component for every option of a recipe that has a label; they offer what works."""

    def __init__(self, context: Context, kind: type[Recipe] = Recipe) -> None:
        self._options = panel_options(kind)
        self.components: dict[str, Any] = {}
        with gr.Accordion("Advanced", open=False, elem_id="advanced"):
            with gr.Row():
                self._add(name for name in self._options if name in OFFERED and name != "survey")
            gr.HTML(allowed.explained())
            base = self._options["base"]
            self._search = SearchField(context, label_of(base), "pick-base", info=INFO["base"])
            self.components["base"] = self._search.field
            with gr.Row():
                self._add(name for name, option in self._options.items() if option.words)
            with gr.Row():
                self._add(name for name in self._options if name != "survey")
            self._add(["survey"])

    def _add(self, names: Iterable[str]) -> None:
        for name in names:
            if name not in self.components:
                self.components[name] = _component(name, self._options[name])

    @property
    def fields(self) -> list[Any]:
        """What goes into a recipe, in the order of `panel_options`."""
        return [self.components[name] for name in self._options]

    @property
    def settled(self) -> list[Any]:
        """Events after which something was chosen, and is not just being typed."""
        typed = [each for each in self.fields if isinstance(each, gr.Textbox)]
        chosen = [each for each in self.fields if not isinstance(each, gr.Textbox)]
        said = [event for field in typed for event in (field.submit, field.blur)]
        return [*said, *(field.change for field in chosen)]

    def wire(self, picked: Sequence[Any], level: gr.Radio) -> Any:
        """picked: fields of model A, model B, further ones, and the data set.

        Returns the event that takes a suggestion for the base.
        """
        offered = [self.components[name] for name in ("survey", "match", "fuse", "repair")]
        base = self.components["base"]
        inputs = [*picked, base, level, *offered]
        gr.on(
            [field.change for field in (*picked, base, level)],
            _offer,
            inputs,
            offered,
            queue=False,
            trigger_mode="always_last",
            **QUIET,
        )
        return self._search.wire()


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


def panel_options(kind: type[Recipe] = Recipe) -> dict[str, DeclaredOption]:
    """Field -> option, of all that the panel shows."""
    return {
        name: option
        for name, option in options_of(kind).items()
        if "." not in name and option.option.label != ""
    }


def values_of(typed: Sequence[Any], kind: type[Recipe] = Recipe) -> dict[str, Any]:
    """Field -> value, of what stands in the panel; what is empty is left out.

    Parameters:
        typed: values of the components, in the order of `panel_options`.

    Raises: RecipeError, for what is no number.
    """
    found: dict[str, Any] = {}
    for (name, declared), value in zip(panel_options(kind).items(), typed, strict=True):
        if isinstance(value, list):
            found[name] = tuple(value)
        elif int in declared.types and isinstance(value, str | None):
            found[name] = whole(name, value)
        else:
            found[name] = value.strip() if isinstance(value, str) else value
    return {name: value for name, value in found.items() if value not in (None, "")}


def _component(name: str, declared: DeclaredOption) -> Any:
    """What an option is chosen with."""
    label, info = label_of(declared), INFO.get(name, declared.option.help)
    shown: dict[str, Any] = {"label": label, "info": info, "elem_id": name}
    if name == "survey":
        return gr.CheckboxGroup(allowed.surveys(EVERYTHING), **shown)
    if name in OFFERED:
        offered = OFFERED[name](EVERYTHING)
        return gr.Dropdown(offered, value=offered[0][1], **shown)
    if float in declared.types and declared.least is not None and declared.most is not None:
        return gr.Slider(declared.least, declared.most, declared.default, step=0.05, **shown)
    if declared.words and int not in declared.types:
        return gr.Radio(choices(name, declared), value=declared.default, **shown)
    if declared.types == (bool,):
        return gr.Checkbox(declared.default, **shown)
    return gr.Textbox(max_lines=1, **shown)  # may be empty, which a field for numbers may not


def whole(field: str, typed: str | None) -> int | None:
    """The number typed for a field, thousands grouped or not. Raises: RecipeError."""
    digits = (typed or "").replace(",", "").replace(" ", "")
    if not digits:
        return None
    if not (digits.isascii() and digits.isdecimal() and len(digits) < 16):
        raise RecipeError(option(field, typed), hint="a whole number, or nothing", field=field)
    return int(digits)
