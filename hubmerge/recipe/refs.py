"""What a recipe names, by role: its models, base and data set."""

from __future__ import annotations

from collections.abc import Mapping

from hubmerge.recipe.recipe import Recipe
from hubmerge.recipe.words import BASE, DATASET
from hubmerge.utils.parent_names import roles


def refs_of(recipe: Recipe) -> dict[str, str]:
    """Role ("model_a", ..., "base", "dataset") -> what the recipe names for it."""
    refs = dict(zip(roles("model", len(recipe.models)), recipe.models, strict=True))
    if recipe.base is not None:
        refs[BASE] = recipe.base
    if recipe.dataset is not None:
        refs[DATASET] = recipe.dataset.id
    return refs


def with_refs(recipe: Recipe, refs: Mapping[str, str]) -> Recipe:
    """The recipe with other references for some roles."""
    now = {**refs_of(recipe), **refs}
    update: dict[str, object] = {
        "models": tuple(now[role] for role in roles("model", len(recipe.models)))
    }
    if recipe.base is not None:
        update["base"] = now[BASE]
    if recipe.dataset is not None:
        update["dataset"] = recipe.dataset.model_copy(update={"id": now[DATASET]})
    return recipe.model_copy(update=update)
