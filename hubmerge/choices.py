"""What the names in a recipe stand for, and which of them go together."""

from __future__ import annotations

from pathlib import Path

from hubmerge.contest import Ground
from hubmerge.errors import NotFoundError, RecipeError
from hubmerge.fuse import find_fusion
from hubmerge.hub import LoadedModel
from hubmerge.matching import find_method
from hubmerge.recipe import Recipe
from hubmerge.repair import Repair, batch_norms, find_repair


def check_names(recipe: Recipe) -> None:
    """Raises: RecipeError, if a method is unknown or cannot work with what is given;
    NotFoundError, if there is no such alignment.
    """
    if find_fusion(recipe.fuse).needs_data and recipe.dataset is None:
        raise RecipeError(
            f"--fuse {recipe.fuse} needs calibration data", hint="add --dataset, or --fuse average"
        )
    if recipe.repair not in ("auto", "none"):
        find_repair(recipe.repair)
        if recipe.dataset is None:
            raise RecipeError(
                f"--repair {recipe.repair} needs calibration data", hint="add --dataset"
            )
    if recipe.alignment and not Path(recipe.alignment).exists():
        raise NotFoundError(
            f"there is no alignment {recipe.alignment!r}", hint="hubmerge match A B -o DIR"
        )
    if recipe.match in ("auto", "none"):
        return
    if find_method(recipe.match).needs_data and recipe.dataset is None:
        raise RecipeError(
            f"--match {recipe.match} needs calibration data",
            hint="add --dataset, or --match weights, which needs none",
        )


def resolved_match(recipe: Recipe) -> str:
    """The matcher "auto" stands for: activations where there is data to see them, else weights."""
    if recipe.alignment:
        return "alignment"
    if recipe.match != "auto":
        return recipe.match
    return "activations" if recipe.dataset else "weights"


def needs_spec(recipe: Recipe, method: str) -> bool:
    """Whether anything in the recipe permutes, or asks where hidden layers are."""
    return method != "none" or recipe.repair == "repair"


def resolved_repair(recipe: Recipe, a: LoadedModel, ground: Ground | None) -> Repair | None:
    """The repair to use; None if there is nothing to repair or nothing to repair it on."""
    if recipe.repair == "none" or ground is None:
        return None
    if recipe.repair == "auto":
        return (
            find_repair("batchnorm") if batch_norms(a.model) and ground.calibration.rows else None
        )
    if not ground.calibration.rows:
        raise RecipeError(
            f"--repair {recipe.repair} needs calibration rows", found="none are left for it"
        )
    return find_repair(recipe.repair)
