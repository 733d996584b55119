"""Options and actions in the words of the page, and the labels its controls have."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from hubmerge.errors.wording import RECIPE_FILE, Value, Wording, listed
from hubmerge.recipe import APART, JOIN, SAME

LABELS = {
    "dataset": "Data set",
    "match": "Matching",
    "fuse": "Fusion",
    "repair": "Repair",
    "base": "Common base",
    "symmetry": "Symmetries",
    "labels": "Classes",
    "heads": "Models that know other classes",
    "lam": "λ, the share of model B",
    "best": "How thorough?",
    "samples": "Rows to measure on",
    "calibration_samples": "Rows to match on",
    "seed": "Seed",
    "survey": "What lies around the merge",
    "push": "Repository",
    "create_pr": "As",
    "exist_ok": "As",
    "private": "Visible to",
}
"""Field -> label of its control. Fields that have none are set in a recipe."""

NEW = "a new repository"
"""How a merge is published unless something else is chosen."""

CHOICES: Mapping[str, Mapping[Value, str]] = {
    "symmetry": {
        "auto": "as fits the matching",
        "all": "all the family allows",
        "permutations": "reordering alone",
    },
    "labels": {"by-name": "by name", "by-index": "by number"},
    "heads": {SAME: "refused", JOIN: "all in one list", APART: "side by side"},
    "create_pr": {False: NEW, True: "a pull request to one that exists"},
    "exist_ok": {False: NEW, True: "a commit to one of mine that exists"},
    "private": {True: "private", False: "public"},
    "best": {True: "Best", False: "Standard"},
}
"""Field -> value -> what its control shows; other controls show the value."""

EMPTY = frozenset({"dataset", "base", "samples", "calibration_samples", "seed", "survey"})
"""Fields whose controls may be left empty."""


def choices(field: str) -> list[tuple[str, Any]]:
    """What the control of a field offers, as Gradio takes it: (shown, value)."""
    return [(shown, value) for value, shown in CHOICES[field].items()]


def option_text(field: str, values: Sequence[Value]) -> str:
    """A control by its label, and what to choose; else the line of a recipe."""
    shown = CHOICES.get(field)
    offered = shown is None or all(value in shown for value in values)
    if field not in LABELS or not offered or (field == "samples" and "all" in values):
        return f"`{RECIPE_FILE.option(field, values)}` in a recipe"
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
        default = {"symmetry": "auto", "labels": "by-name", "heads": SAME}.get(field, False)
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
        "save alignment": "leave `alignment` out of the recipe",
        "show all": "the report has all",
        "sign in": "sign in on this page",
        "sign in again": "sign in again on this page, with another token",
        "survey more": "“All mixtures” takes more",
        "survey path": "“A curve around the barrier” takes two",
        "use alignment": "leave “Data set” empty",
        "whose token": "the top of this page says as whom you are signed in",
    },
)
