"""Match parents: one symmetry per model, by one registered matcher."""

from __future__ import annotations

import copy
from dataclasses import dataclass

from hubmerge.data.synthetic.batches import synthetic_batches
from hubmerge.errors import RecipeError
from hubmerge.errors.wording import option
from hubmerge.hub.client import cache_folder
from hubmerge.matching import Learner, Match, Matcher, find_method
from hubmerge.matching.multi import MultiMatcher, MultiMatchProblem, find_multi_matcher
from hubmerge.matching.registry import NOTHING, SYNTHETIC
from hubmerge.models.method_context import MethodContext
from hubmerge.pipeline.parents import Parents
from hubmerge.utils.checkpoint_store import CheckpointStore
from hubmerge.utils.input_batches import InputBatches, NoBatches
from hubmerge.utils.progress import track
from hubmerge.utils.workers import Workers

CHECKPOINTS = "hubmerge-courses"
"""Name of the folder of unfinished learning, beside the cache of the Hub."""

PAIR = "star"
"""How two models are matched, where all ways are one: the second to the first."""


NO_ROWS = NoBatches()


@dataclass(frozen=True, kw_only=True)
class MatchSettings:
    """How models are matched.

    matcher: a registered matcher. multi_match: how more than two models are matched. steps: how
    many a matcher that learns takes at most; None: its own number.
    """

    matcher: str
    multi_match: str = PAIR
    seed: int = 0
    steps: int | None = None


@dataclass(frozen=True, kw_only=True)
class MatchRows:
    """What matchers may look at: `batches` for activations, `validation` where learners choose."""

    batches: InputBatches = NO_ROWS
    validation: InputBatches = NO_ROWS


def match_parents(
    parents: Parents, settings: MatchSettings, rows: MatchRows, workers: Workers
) -> tuple[Match, ...]:
    """One match for every parent after A. Called by all processes alike.

    What matchers that learn have learned so far is kept beside the cache of the Hub, and continued.
    Raises: RecipeError, if the matcher needs calibration rows and there are none.
    """
    found = find_method(settings.matcher)
    if found.needs_data and not len(rows.batches):
        raise RecipeError(
            f"{option('match', settings.matcher)} needs calibration rows",
            found="none are left for it",
            hint=f"{option('match', 'weights')} needs none",
            field="match",
        )
    parents = parents.level()
    way = find_multi_matcher(settings.multi_match if len(parents.loaded) > 2 else PAIR)
    if isinstance(found, Learner):
        return _learned(parents, found, way, settings, rows, workers)
    return _matched(parents, found, way, settings, rows.batches, workers)


def _learned(
    parents: Parents,
    learner: Learner,
    way: MultiMatcher,
    settings: MatchSettings,
    rows: MatchRows,
    workers: Workers,
) -> tuple[Match, ...]:
    assert parents.spec is not None
    spec = parents.spec.unflipped  # signs are not learned
    context = MethodContext(
        spec,
        copy.deepcopy(parents.a.model),
        rows.batches,
        workers,
        rows.validation,
        CheckpointStore(cache_folder().parent / CHECKPOINTS),
        settings.steps,
    )
    problem = MultiMatchProblem(spec, parents.states, learner, {}, settings.seed, context)
    return tuple(way.function(problem))


def _matched(
    parents: Parents,
    matcher: Matcher,
    way: MultiMatcher,
    settings: MatchSettings,
    batches: InputBatches,
    workers: Workers,
) -> tuple[Match, ...]:
    spec = parents.spec
    assert spec is not None
    moments = {}
    if matcher.looks_at != NOTHING:
        shown = batches
        if matcher.looks_at == SYNTHETIC:
            shown = synthetic_batches(parents.a.model, parents.a.processor, seed=settings.seed)
        moments = {
            (p, q): matcher.observe(spec, parents.model(p), parents.model(q), shown, workers)
            for p, q in way.pairs(len(parents.loaded))
        }
    shared = workers if matcher.spreads else None
    problem = MultiMatchProblem(
        spec, parents.states, matcher, moments, settings.seed, workers=shared
    )

    def search() -> tuple[Match, ...]:
        with (
            workers.single_threaded_ops(),
            track(1, f"matching by {settings.matcher}", "match") as bar,
        ):
            matches = tuple(way.function(problem))
            bar.update(1)
            return matches

    return search() if matcher.spreads else workers.on_main(search)
