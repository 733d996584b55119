"""Align the parents: match them, and lay the paths between them, aligned and not."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from transformers import PreTrainedModel

from hubmerge.matching import Match, learners
from hubmerge.matching.alignment_files import load_matches
from hubmerge.models.method_context import MethodContext
from hubmerge.pipeline.auto_match import (
    NO_MATCHING,
    MatchConfig,
    MatchTrial,
    best_match,
    first_configs,
    scale_configs,
)
from hubmerge.pipeline.context import Run
from hubmerge.pipeline.load import MergeInputs
from hubmerge.pipeline.match import LastSeen, MatchRows, MatchSettings, closer, match_parents
from hubmerge.pipeline.merge_path import MergePath
from hubmerge.pipeline.methods import ALIGNMENT, NO_MATCH
from hubmerge.pipeline.parents import Parents
from hubmerge.repair import Repair
from hubmerge.symmetry.permutation import State
from hubmerge.tasks import measure_of


@dataclass(frozen=True, kw_only=True)
class Alignment:
    """How the parents were aligned, and the paths between them.

    matches: one for every parent after A (of all parents, where they have a base); none where
    nothing was matched. trials: what was tried, where the matcher was chosen among several. naive:
    the path between the parents as they are. matched: between the aligned ones; None where nothing
    was matched. base: the base's state, in the order of the latter.
    """

    matches: tuple[Match, ...]
    trials: tuple[MatchTrial, ...]
    repair: Repair | None
    naive: MergePath
    matched: MergePath | None
    base: State | None

    @property
    def path(self) -> MergePath:
        """The path that the merge lies on."""
        return self.matched or self.naive


def align(run: Run, inputs: MergeInputs, repair: Repair | None) -> Alignment:
    """Matches the parents and lays the paths between them. Called by all processes alike.

    Raises: RecipeError, CanonicalError, LawError.
    """
    matches, trials = find_alignment(run, inputs, repair)
    return paths_between(run, inputs, repair, matches, trials)


def find_alignment(
    run: Run, inputs: MergeInputs, repair: Repair | None
) -> tuple[tuple[Match, ...], tuple[MatchTrial, ...]]:
    """The matches, and what was tried. Raises: as `align`."""
    alignment, parents, recipe = inputs.alignment, inputs.parents, run.recipe
    if run.methods.match == NO_MATCH:
        return (), ()
    if run.methods.match == ALIGNMENT:
        assert parents.spec is not None
        assert recipe.alignment is not None
        based = alignment.base is not None
        count = len(parents.loaded) - (not based)
        return load_matches(Path(recipe.alignment), parents.spec, count, based=based), ()
    if run.methods.tries_matchers:
        return _best_alignment(run, inputs, repair)
    if alignment.base is None:
        return _alignment_by(run, inputs, repair)
    allowed = alignment.with_symmetry(run.methods.symmetry)

    def find(parents: Parents) -> tuple[Match, ...]:
        found = _match(run, inputs.match_rows, run.methods.match, parents)
        return closer(parents, found, run.workers)

    found = allowed.match_to_base(find)
    return (found if any(match.moves for match in found) else ()), ()


def _alignment_by(
    run: Run, inputs: MergeInputs, repair: Repair | None
) -> tuple[tuple[Match, ...], tuple[MatchTrial, ...]]:
    """By the one matcher that was asked for, or as the parents came, if that is better."""
    config = MatchConfig(run.methods.match, run.methods.symmetry)
    found, trials = _tried(run, inputs, repair, (config,))
    return found, () if found else trials


def _best_alignment(
    run: Run, inputs: MergeInputs, repair: Repair | None
) -> tuple[tuple[Match, ...], tuple[MatchTrial, ...]]:
    """Of several ways to match, the one whose merge is best on validation rows."""
    spec, symmetry = inputs.parents.spec, run.recipe.symmetry
    assert spec is not None
    then = partial(scale_configs, spec, symmetry=symmetry)
    return _tried(run, inputs, repair, match_configs(run, inputs), then)


def _tried(
    run: Run,
    inputs: MergeInputs,
    repair: Repair | None,
    configs: Sequence[MatchConfig],
    then: Callable[[MatchConfig], Sequence[MatchConfig]] = lambda best: (),
) -> tuple[tuple[Match, ...], tuple[MatchTrial, ...]]:
    """The best of what `configs` find and of the parents as they came, as `best_match` has it."""
    parents, recipe = inputs.parents, run.recipe
    rows = replace(inputs.match_rows, seen=LastSeen())

    def match(config: MatchConfig) -> tuple[Match, ...]:
        if config == NO_MATCHING:
            return ()
        return _match(run, rows, config.match, parents.with_symmetry(config.symmetry))

    def merge(matches: tuple[Match, ...]) -> PreTrainedModel:
        path = paths_between(run, inputs, repair, matches).path
        return path.model(1.0 if recipe.mixture is not None else recipe.first_lambda)

    return best_match(
        configs,
        match,
        merge,
        inputs.validation,
        run.workers,
        then,
        lambda found: closer(parents, found, run.workers),
    )


def match_configs(run: Run, inputs: MergeInputs) -> tuple[MatchConfig, ...]:
    """What "auto" tries first for these parents on this data."""
    spec, splits = inputs.parents.spec, inputs.splits
    assert spec is not None
    found = first_configs(
        spec,
        learnable(run.methods.trials.match, inputs),
        calibration=bool(splits and splits.calibration.rows),
        images=inputs.takes_images and run.methods.multi_match != "merge-many",
        many=len(inputs.parents.loaded) > 2,
        symmetry=run.recipe.symmetry,
    )
    if inputs.heads is not None and splits and splits.validation.rows:
        return (*found, NO_MATCHING)
    return found


def learnable(names: Sequence[str], inputs: MergeInputs) -> list[str]:
    """`names` of matchers, without those that learn where there is nothing to learn by: parents
    with one set of outputs, of which one class is right, and rows to choose a step on."""
    measure = measure_of(inputs.models[0].config)
    one_of_n = measure is not None and measure.one_of_n
    held = inputs.validation is not None and inputs.validation.rows
    if inputs.heads is None and one_of_n and held:
        return [*names]
    return [name for name in names if name not in learners()]


def paths_between(
    run: Run,
    inputs: MergeInputs,
    repair: Repair | None,
    matches: tuple[Match, ...],
    trials: tuple[MatchTrial, ...] = (),
) -> Alignment:
    """The naive path, and the matched one if anything was matched: repaired alike."""
    alignment, parents, mixture = inputs.alignment, inputs.parents, run.recipe.mixture
    weights = mixture or [1 / len(parents.loaded)] * len(parents.loaded)
    context = MethodContext(
        parents.spec,
        copy.deepcopy(parents.a.model),
        inputs.statistics,
        run.workers,
        inputs.selection_rows(halved=run.methods.splits_validation),
        head=alignment.head,
    )
    unaligned, _ = alignment.filled(parents.states, None, weights)
    states, base = alignment.filled(*alignment.aligned(matches), weights)
    return Alignment(
        matches=matches,
        trials=trials,
        repair=repair,
        naive=MergePath(repair, context, unaligned, mixture),
        matched=MergePath(repair, context, states, mixture) if matches else None,
        base=base,
    )


def _match(run: Run, rows: MatchRows, matcher: str, parents: Parents) -> tuple[Match, ...]:
    settings = MatchSettings(
        matcher=matcher,
        multi_match=run.methods.multi_match,
        seed=run.recipe.seed,
        steps=run.recipe.learning_steps,
    )
    return match_parents(parents, settings, rows, run.workers)
