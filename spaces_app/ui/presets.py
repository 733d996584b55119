"""The simple choice: three efforts in place of a dozen options (hubmerge/recipe/effort.py)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from hubmerge.recipe import BEST, MIDDLE, QUICK, STANDARD, Recipe, make_recipe

AS_CHOSEN = "as chosen above"
OF_ROWS = ("samples", "calibration_samples", "survey")
"""Fields that mean nothing without a data set."""

LEVELS = {
    "Quick: by the weights alone, no data": QUICK,
    "Standard: matched on data, refined and measured": STANDARD,
    "Best: everything, takes longer": BEST,
}


def level_of(recipe: Recipe) -> str | None:
    """The level that gives `recipe` and nothing else does; None where more was chosen."""
    data = recipe.dataset.id if recipe.dataset else None
    made = ((level, to_recipe(recipe.models, data, level)) for level in LEVELS.values())
    return next((level for level, each in made if each == recipe), None)


def next_level(recipe: Recipe) -> str | None:
    """The level after that of `recipe`, for which there are rows; None if there is none."""
    level, order = level_of(recipe), list(LEVELS.values())
    if level is None or level == order[-1] or recipe.dataset is None:
        return None
    return order[order.index(level) + 1]


def named(a: str | None, b: str | None, more: str | None) -> list[str]:
    """The models that stand in the fields, the further ones apart by white space."""
    return [name.strip() for name in (a, b, *(more or "").split()) if name and name.strip()]


def to_recipe(
    models: Sequence[str], dataset: str | None, level: str, chosen: Mapping[str, Any] | None = None
) -> Recipe:
    """The recipe of what was picked and chosen.

    Parameters:
        level: an effort; at "quick" no data is looked at.
        chosen: field -> value, of what stands in the advanced panel; AS_CHOSEN, or nothing,
            leaves it to the effort.

    Raises: RecipeError.
    """
    fields = {name: value for name, value in (chosen or {}).items() if value != AS_CHOSEN}
    names = tuple(name.strip() for name in models if name and name.strip())
    data = (dataset or "").strip() or None if level != QUICK else None
    if data is None:
        fields = {name: value for name, value in fields.items() if name not in OF_ROWS}
    if level == QUICK:
        fields.setdefault("match", "weights")
    if len(names) != 2 or fields.get("lam") == MIDDLE:  # left to the effort
        fields.pop("lam", None)
    return make_recipe(models=names, dataset=data, effort=level, **fields)
