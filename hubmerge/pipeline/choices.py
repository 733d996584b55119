"""What the names in a recipe stand for, and which of them go together."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from hubmerge.data.synthetic.batches import can_be_shown
from hubmerge.errors import NotFoundError, RecipeError
from hubmerge.hub.compare import common_head
from hubmerge.hub.load import LoadedModel
from hubmerge.matching import Learner, find_method, learners
from hubmerge.matching.multi import find_multi_matcher
from hubmerge.matching.registry import NOTHING
from hubmerge.models.joint_head import Heads
from hubmerge.pipeline.align import Parents
from hubmerge.pipeline.auto_match import AUTO, NO_MATCHING, MatchConfig, ways
from hubmerge.pipeline.evaluate import DataSplits
from hubmerge.pipeline.fusing import check_fusing, fuses_a_run
from hubmerge.recipe import Recipe
from hubmerge.repair import Repair, batch_norms, find_repair
from hubmerge.specs.spec import PERMUTATIONS, SCALES


def check_names(recipe: Recipe) -> None:
    """Raises: RecipeError, if a method is unknown or cannot work with what is given;
    NotFoundError, if there is no such alignment.
    """
    check_fusing(recipe)
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
    _check_together(recipe)
    if recipe.learning_steps is not None and resolved_match(recipe) not in learners():
        raise RecipeError(
            "--learning-steps is for a matcher that learns",
            found=f"--match {recipe.match}",
            hint=f"--match {', '.join(learners())}",
        )
    if recipe.match in ("auto", "none"):
        return
    if find_method(recipe.match).needs_data and recipe.dataset is None:
        raise RecipeError(
            f"--match {recipe.match} needs calibration data",
            hint="add --dataset, or --match weights, which needs none",
        )


def heads_for(recipe: Recipe, models: Sequence[LoadedModel]) -> Heads | None:
    """The one head for parents that tell other classes apart; None where they tell the same.

    Raises: as `common_head`; RecipeError, if the matcher cannot work on them.
    """
    heads = common_head(recipe.heads, models)
    method = resolved_match(recipe)
    if heads is not None and method in learners():
        raise RecipeError(
            f"--match {method} learns from what a model between the parents says of a row",
            found="parents that know other labels, so that no one model says the same as both",
            hint="--match activations-weights, or auto",
        )
    return heads


def _check_together(recipe: Recipe) -> None:
    """Raises: RecipeError, if the way is unknown or cannot work with the matcher."""
    way, method = find_multi_matcher(resolved_multi_match(recipe)), resolved_match(recipe)
    if len(recipe.models) == 2 or method in ("none", "alignment"):
        return
    found = find_method(method)
    if isinstance(found, Learner):
        if way.name != "star":
            raise RecipeError(
                f"--multi-match {way.name} cannot learn",
                found=f"--match {method}, which learns for one pair at a time",
                hint="--multi-match star, or a matcher that does not learn",
            )
    elif way.without_data and found.looks_at != NOTHING:
        raise RecipeError(
            f"--multi-match {way.name} matches means of models, which have no activations",
            found=f"--match {method}",
            hint="--match weights, or --multi-match cycle-consistent",
        )


def resolved_match(recipe: Recipe) -> str:
    """The matcher "auto" begins with where nothing can be tried, as far as the recipe can say."""
    if recipe.alignment:
        return "alignment"
    if recipe.match != "auto":
        return recipe.match
    if fuses_a_run(recipe):
        return "none"
    return "activations" if recipe.dataset else "weights"


def matches_by_labels(recipe: Recipe) -> bool:
    """Whether the matcher learns from labels."""
    found = learners().get(resolved_match(recipe))
    return found is not None and found.labelled


def resolved_symmetry(recipe: Recipe) -> str:
    """The symmetries of a matcher that is named.

    What is taken weight by weight from a common base is not rotated by default.
    """
    if recipe.symmetry != AUTO:
        return recipe.symmetry
    return SCALES if recipe.base is None else PERMUTATIONS


def tries(recipe: Recipe) -> bool:
    """Whether the matcher is still to be chosen."""
    given = recipe.alignment or recipe.base or fuses_a_run(recipe)
    return recipe.match == "auto" and not given


def without_data(recipe: Recipe) -> bool:
    """Whether the matcher is still to be chosen, by what can be shown to the models alone."""
    return tries(recipe) and recipe.dataset is None and resolved_multi_match(recipe) != "merge-many"


def takes_images(model: LoadedModel) -> bool:
    """Whether synthetic images can be made for it."""
    return can_be_shown(model.model, model.processor)


def ways_of(
    recipe: Recipe, parents: Parents, splits: DataSplits | None, *, apart: bool = False
) -> tuple[MatchConfig, ...]:
    """What "auto" tries for these parents on this data. apart: they tell other classes apart."""
    assert parents.spec is not None
    found = ways(
        parents.spec,
        calibration=bool(splits and splits.calibration.rows),
        images=takes_images(parents.a) and resolved_multi_match(recipe) != "merge-many",
        many=len(parents.loaded) > 2,
        symmetry=recipe.symmetry,
    )
    return (*found, NO_MATCHING) if apart and splits and splits.validation.rows else found


def settled_match(recipe: Recipe, parents: Parents, splits: DataSplits | None) -> str:
    """The matcher of a recipe whose matches nobody judges."""
    if tries(recipe) and splits is None:
        return ways_of(recipe, parents, splits)[0].match
    return resolved_match(recipe)


def resolved_multi_match(recipe: Recipe) -> str:
    """The way "auto" stands for: the universe, or the star for a matcher that learns."""
    if recipe.base is not None:
        return "star"
    if recipe.multi_match != "auto":
        return recipe.multi_match
    method = resolved_match(recipe)
    learns = method not in ("none", "alignment") and isinstance(find_method(method), Learner)
    return "star" if learns else "cycle-consistent"


def needs_spec(recipe: Recipe, method: str) -> bool:
    """Whether anything in the recipe permutes, or asks where hidden layers are."""
    return method != "none" or recipe.repair == "repair"


def resolved_repair(recipe: Recipe, a: LoadedModel, splits: DataSplits | None) -> Repair | None:
    """The repair to use; None if there is nothing to repair or nothing to repair it on.

    Without calibration rows, "auto" repairs on synthetic images.
    """
    if recipe.repair == "none":
        return None
    if recipe.repair == "auto":
        seen = (splits and splits.calibration.rows) or takes_images(a)
        return find_repair("batchnorm") if batch_norms(a.model) and seen else None
    if splits is None:
        return None
    if not splits.calibration.rows:
        raise RecipeError(
            f"--repair {recipe.repair} needs calibration rows", found="none are left for it"
        )
    return find_repair(recipe.repair)
