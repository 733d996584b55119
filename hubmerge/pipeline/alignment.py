"""Lining parents up: from what is loaded to what lies between them, aligned and not."""

from __future__ import annotations

import copy
from functools import partial
from pathlib import Path

from transformers import PreTrainedModel

from hubmerge.errors import RecipeError
from hubmerge.hub.fetch import fetch
from hubmerge.hub.load import LoadedModel
from hubmerge.matching import Match, find_method
from hubmerge.matching.alignment_files import load_matches
from hubmerge.models.joint_head import Heads
from hubmerge.models.method_context import MethodContext
from hubmerge.pipeline.align import Parents, match_all
from hubmerge.pipeline.auto_fuse import split_validation
from hubmerge.pipeline.auto_match import NO_MATCHING, Attempt, MatchConfig, best_way, scalings
from hubmerge.pipeline.choices import resolved_multi_match, resolved_symmetry, tries, ways_of
from hubmerge.pipeline.evaluate import (
    DataSplits,
    matching_of,
    open_splits,
    statistics_of,
    validation_of,
)
from hubmerge.pipeline.fusing import AUTO, learns
from hubmerge.pipeline.merge_path import Path as MergePath
from hubmerge.pipeline.parents import AlignmentInputs
from hubmerge.pipeline.resolve import Sources
from hubmerge.recipe import Recipe
from hubmerge.repair import Repair
from hubmerge.symmetry.permutation import State
from hubmerge.utils.input_batches import InputBatches
from hubmerge.utils.workers import Workers


def splits_for(
    recipe: Recipe,
    sources: Sources,
    a: LoadedModel,
    workers: Workers,
    heads: Heads | None = None,
) -> DataSplits | None:
    """The recipe's data, divided for models like `a` (with these heads); None without any."""
    source = sources.dataset
    if source is None:
        return None
    folder = str(workers.on_main(lambda: fetch(source)))
    workers.on_main(lambda: open_splits(folder, recipe, a, heads).rows)  # fills the caches once
    return open_splits(folder, recipe, a, heads)


def matched(
    recipe: Recipe,
    method: str,
    based: AlignmentInputs,
    repair: Repair | None,
    splits: DataSplits | None,
    workers: Workers,
) -> tuple[tuple[Match, ...], tuple[Attempt, ...]]:
    """One match for every parent after A, none where nothing is matched; and what was tried.

    Where the parents have a common base, A has a match as well.
    """
    parents = based.parents
    if method == "none":
        return (), ()
    if recipe.alignment:
        assert parents.spec is not None
        count = len(parents.loaded) - (based.base is None)
        path, has_base = Path(recipe.alignment), based.base is not None
        return load_matches(path, parents.spec, count, based=has_base), ()
    if not tries(recipe):
        allowed = based.with_symmetry(resolved_symmetry(recipe))
        find = partial(_found, recipe, method, splits=splits, workers=workers)
        return (find(allowed.parents) if based.base is None else allowed.matched(find)), ()

    assert parents.spec is not None

    def match(way: MatchConfig) -> tuple[Match, ...]:
        if way == NO_MATCHING:
            return ()
        allowed = parents.with_symmetry(way.symmetry)
        return _found(recipe, way.match, allowed, splits=splits, workers=workers)

    def merge(matches: tuple[Match, ...]) -> PreTrainedModel:
        naive, path, _ = paths_of(recipe, based, matches, repair, splits, workers)
        return (path or naive).model(1.0 if recipe.mixture is not None else recipe.first_lambda)

    validation = splits.validation if splits else None
    then = partial(scalings, parents.spec, symmetry=recipe.symmetry)
    first = ways_of(recipe, parents, splits, apart=based.heads is not None)
    return best_way(first, match, merge, validation, workers, then)


def _found(
    recipe: Recipe, method: str, parents: Parents, *, splits: DataSplits | None, workers: Workers
) -> tuple[Match, ...]:
    """What the registered matcher `method` finds."""
    batches = matching_of(splits)
    if find_method(method).needs_data and not len(batches):
        raise RecipeError(
            f"--match {method} needs calibration rows",
            found="none are left for it",
            hint="--match weights needs none",
        )
    return match_all(
        parents,
        method,
        resolved_multi_match(recipe),
        batches,
        workers,
        seed=recipe.seed,
        validation=validation_of(splits),
        steps=recipe.learning_steps,
    )


def chosen_on(recipe: Recipe, splits: DataSplits | None) -> InputBatches:
    """The validation rows the recipe's fusion sees: half of them, where fusions are compared."""
    if recipe.fuse == AUTO and splits is not None:
        return split_validation(splits.validation)[0]
    return validation_of(splits)


def paths_of(
    recipe: Recipe,
    based: AlignmentInputs,
    matches: tuple[Match, ...],
    repair: Repair | None,
    splits: DataSplits | None,
    workers: Workers,
) -> tuple[MergePath, MergePath | None, State | None]:
    """The naive path, and the matched one if anything was matched: repaired alike. And the base,
    if there is one, in the order of the latter.
    """
    parents = based.parents
    weights = recipe.mixture or [1 / len(parents.loaded)] * len(parents.loaded)
    batches = statistics_of(splits, parents.a, recipe.seed, learns=learns(recipe))
    scratch = copy.deepcopy(parents.a.model)
    rows = chosen_on(recipe, splits)
    context = MethodContext(parents.spec, scratch, batches, workers, rows, head=based.head)
    unaligned, _ = based.filled(parents.states, None, weights)
    naive = MergePath(repair, context, unaligned, recipe.mixture)
    states, base = based.filled(*based.aligned(matches), weights)
    if not matches:
        return naive, None, base
    return naive, MergePath(repair, context, states, recipe.mixture), base
