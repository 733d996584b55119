"""The simple choice: three levels in place of a dozen options, and what each stands for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from hubmerge.fuse import find_fusion
from hubmerge.pipeline.methods import AUTO
from hubmerge.recipe import MIDDLE, WITH_BASE, Recipe, make_recipe

QUICK, STANDARD, BEST = "quick", "standard", "best"
AS_CHOSEN = "as chosen above"
OF_ROWS = ("samples", "calibration_samples", "survey")
"""Fields that mean nothing without a data set."""

LEVELS = {
    "Quick: by the weights alone, no data": QUICK,
    "Standard: matched on data, and measured": STANDARD,
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
        chosen: field -> value, of what stands in the advanced panel; AS_CHOSEN, or nothing,
            leaves it to the level.

    Raises: RecipeError.
    """
    fields = dict(chosen or {})
    names = tuple(name.strip() for name in models if name and name.strip())
    data = (dataset or "").strip() or None if level != QUICK else None
    fields["match"] = _match(level, fields.get("match", AS_CHOSEN), data)
    fuse = _fuse(level, fields.pop("fuse", AS_CHOSEN), data, fields.get("base"))
    if fuse is not None:
        fields["fuse"] = fuse
    if data is None:
        fields = {name: value for name, value in fields.items() if name not in OF_ROWS}
    lam = fields.pop("lam", MIDDLE)
    if len(names) == 2:
        weighs = fuse == AUTO or find_fusion(fuse or WITH_BASE).weighs
        chooses = level == BEST and weighs and data is not None and lam == MIDDLE
        fields["lam"] = AUTO if chooses else lam
    return make_recipe(models=names, dataset=data, **fields)


def _match(level: str, chosen: str, data: str | None) -> str:
    if chosen != AS_CHOSEN:
        return chosen
    if level == QUICK:
        return "weights"
    return "activations" if level == STANDARD and data else "auto"


def _fuse(level: str, chosen: str, data: str | None, base: str | None) -> str | None:
    """The fusion; None for the one that a recipe takes because of its base."""
    if chosen != AS_CHOSEN:
        return chosen
    if base is not None:
        return AUTO if data else None
    return "least-squares" if level == BEST else "average"
