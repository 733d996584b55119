"""Options and actions in the words of the page, and the labels its controls have."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from hubmerge.errors.wording import YAML, Value, Wording, listed
from hubmerge.options.declared import DeclaredOption, options_of
from hubmerge.recipe import Recipe

OPTIONS = {name: option for name, option in options_of(Recipe).items() if "." not in name}
"""Field -> option, of a recipe."""


def label_of(option: DeclaredOption) -> str:
    """The label of an option's control."""
    return option.option.label or option.name.replace("_", " ").capitalize()


LABELS = {
    "dataset": "Data set",
    **{name: label_of(option) for name, option in OPTIONS.items() if option.option.label != ""},
    "push": "Repository",
    "create_pr": "As",
    "exist_ok": "As",
    "private": "Visible to",
}
"""Field -> label of its control. Fields that have none are set in a recipe."""

NEW = "a new repository"
"""How a merge is published unless something else is chosen."""

CHOICES: Mapping[str, Mapping[Value, str]] = {
    **{
        name: dict(option.option.choices.items())
        for name, option in OPTIONS.items()
        if option.words and option.types == option.types[:1] and name in LABELS and name != "survey"
    },
    "create_pr": {False: NEW, True: "a pull request to one that exists"},
    "exist_ok": {False: NEW, True: "a commit to one of mine that exists"},
    "private": {True: "private", False: "public"},
}
"""Field -> value -> what its control shows; other controls show the value."""

EMPTY = frozenset({"dataset", "base", "samples", "calibration_samples", "seed", "survey"})
"""Fields whose controls may be left empty."""


def choices(field: str, option: DeclaredOption | None = None) -> list[tuple[str, Any]]:
    """What the control of a field offers, as Gradio takes it: (shown, value).

    Parameters:
        option: of a recipe; None for a field of where a merge goes.
    """
    if option is not None:
        return [(meaning or word, word) for word, meaning in option.choices().items()]
    return [(shown, value) for value, shown in CHOICES[field].items()]


def option_text(field: str, values: Sequence[Value]) -> str:
    """A control by its label, and what to choose; else the line of a recipe."""
    shown = CHOICES.get(field)
    offered = shown is None or all(value in shown for value in values)
    if field not in LABELS or not offered or (field == "samples" and "all" in values):
        return f"`{YAML.option(field, values)}` in a recipe"
    label = LABELS[field]
    if not values:
        return f"“{label}”"
    named = [f"“{shown[value] if shown else value}”" for value in values]
    return f"{label} {listed(named)}"


def left_out(field: str) -> str:
    """How a field is left at its default."""
    if field in EMPTY:
        return f"leave “{LABELS[field]}” empty"
    if field == "lam":
        return "set λ to 0.5"
    if field in CHOICES:
        default = OPTIONS[field].default if field in OPTIONS else False
        return f"choose {option_text(field, [default])}"
    return f"leave `{field}` out of the recipe"


PAGE = Wording(
    option=option_text,
    add=lambda field: (
        f"fill in “{LABELS[field]}”" if field in EMPTY else f"set {option_text(field, ())}"
    ),
    leave_out=lambda fields: listed([left_out(field) for field in fields], "and"),
    actions={
        "ask again": "start it again later",
        "check spec": "`hubmerge specs check MODEL` in a shell says which space moves the outputs",
        "list methods": "“What these do”, under Advanced, lists the methods",
        "merge again": "start the merge again",
        "recipe docs": "a recipe as this page shows it",
        "save alignment": "leave `alignment` out of the recipe",
        "show all": "the report has all",
        "sign in": "sign in on this page",
        "sign in again": "sign in again on this page, with another token",
        "survey more": "“All mixtures” takes more",
        "survey path": "“A low-loss curve” takes two",
        "use alignment": "leave “Data set” empty",
        "whose token": "the top of this page says as whom you are signed in",
    },
)
