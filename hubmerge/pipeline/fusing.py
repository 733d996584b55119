"""What a recipe asks of its fusion: whether it can be had, and what the fusion is given."""

from __future__ import annotations

from collections.abc import Sequence

from hubmerge.errors import RecipeError
from hubmerge.fuse import Fusion, Given, find_fusion, fusions
from hubmerge.fuse.options import settled
from hubmerge.fuse.registry import BASE_HINT
from hubmerge.fuse.subset import Part
from hubmerge.recipe import MIDDLE, Recipe
from hubmerge.symmetry.permutation import State
from hubmerge.utils.input_batches import InputBatches, is_labelled

AUTO = "auto"
"""The best of the fusions that what is given allows, on validation rows."""


def is_a_run(recipe: Recipe) -> bool:
    """Whether the models are revisions of one repository: checkpoints of one training run."""
    return same_run(recipe.models)


def same_run(refs: Sequence[str]) -> bool:
    """Whether all `refs` are revisions of one repository."""
    repositories = {ref.partition("@")[0] for ref in refs}
    return len(repositories) == 1 and all("@" in ref for ref in refs)


def fuses_a_run(recipe: Recipe) -> bool:
    """Whether the models are checkpoints of one run, which stand in one order as they are."""
    return is_a_run(recipe) if recipe.fuse == AUTO else find_fusion(recipe.fuse).of_a_run


def check_fusing(recipe: Recipe) -> None:
    """Raises: RecipeError, if the fusion is unknown or cannot work with what is given."""
    if recipe.base is not None and recipe.multi_match not in (AUTO, "star"):
        raise RecipeError(
            "models with a common base are each matched to it",
            found=f"--multi-match {recipe.multi_match}",
        )
    if recipe.fuse == AUTO:
        if recipe.fuse_options:
            raise RecipeError(
                "--fuse auto tries every fusion with its default options",
                found=", ".join(recipe.fuse_options),
                hint="name a fusion, or leave out --fuse-option",
            )
        return
    fusion = find_fusion(recipe.fuse)
    settled(fusion.name, fusion.options, recipe.fuse_options)
    if fusion.needs_base and recipe.base is None:
        raise RecipeError(f"--fuse {fusion.name} needs the models' common base", hint=BASE_HINT)
    if recipe.base is not None and not fusion.needs_base:
        raise RecipeError(
            f"--fuse {fusion.name} takes no base",
            found=f"--base {recipe.base}",
            hint=f"--fuse {', '.join(f.name for f in _based())}, or leave out --base",
        )
    if fusion.needs == "labelled" and recipe.dataset is None:
        raise RecipeError(
            f"--fuse {fusion.name} chooses on labelled validation rows", hint="add --dataset"
        )
    if not fusion.weighs and (recipe.lam != MIDDLE or recipe.weights):
        raise RecipeError(
            f"--fuse {fusion.name} finds itself what each model weighs",
            hint="leave out --lambda and --weights",
        )


def check_rows(recipe: Recipe, statistics: InputBatches, validation: InputBatches) -> None:
    """Raises: RecipeError, if there are no rows of the kind that the fusion looks at."""
    fusion = None if recipe.fuse == AUTO else find_fusion(recipe.fuse)
    if fusion is None or allowed_by(fusion, statistics, validation):
        return
    if fusion.needs == "labelled" and not len(validation):
        found = "no validation rows are left for it"
    elif fusion.learns:
        found = "no calibration rows with labels are left for it"
    else:
        found = "no calibration rows, and synthetic images cannot be made for these models"
    raise RecipeError(
        f"--fuse {fusion.name} needs data", found=found, hint="add --dataset, or --fuse average"
    )


def allowed_by(fusion: Fusion, statistics: InputBatches, validation: InputBatches) -> bool:
    """Whether there are rows of the kinds that `fusion` looks at."""
    if fusion.learns and not (is_labelled(statistics) and len(statistics)):
        return False
    rows = {"data-free": None, "label-free": statistics, "labelled": validation}[fusion.needs]
    return rows is None or len(rows) > 0


def learns(recipe: Recipe) -> bool:
    """Whether the fusion trains on labelled calibration rows, or one that is tried may."""
    return recipe.fuse == AUTO or find_fusion(recipe.fuse).learns


def fuses_by_labels(recipe: Recipe) -> bool:
    """Whether the fusion looks at labels, or one that is tried may."""
    return recipe.fuse == AUTO or find_fusion(recipe.fuse).needs == "labelled"


def given_to(recipe: Recipe, base: State | None) -> Given:
    """What the recipe's fusion may ask for."""
    return Given(base=base, seed=recipe.seed, options=recipe.fuse_options)


def part_of(recipe: Recipe) -> Part:
    """What the recipe merges."""
    return Part(recipe.only, recipe.keep)


def _based() -> list[Fusion]:
    return [fusion for fusion in fusions().values() if fusion.needs_base]
