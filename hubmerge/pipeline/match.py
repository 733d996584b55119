"""Match parents: one symmetry per model, by one registered matcher."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass, replace

from hubmerge.data.synthetic.batches import synthetic_batches
from hubmerge.errors import RecipeError
from hubmerge.errors.wording import option
from hubmerge.hub.client import cache_folder
from hubmerge.matching import Learner, Match, Matcher, find_matcher, find_method, learners
from hubmerge.matching.identity import SHARED, agreement, where_closer
from hubmerge.matching.multi import MultiMatcher, MultiMatchProblem, find_multi_matcher
from hubmerge.matching.registry import NOTHING, SYNTHETIC
from hubmerge.matching.similarity.moments import Moments
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


PairMoments = dict[tuple[int, int], Moments]
"""Numbers of two parents -> what was seen of both."""


class LastSeen:
    """What was seen of the parents last, for the next matcher that looks at the same."""

    def __init__(self) -> None:
        self._key: object = None
        self._moments: PairMoments = {}

    def moments(self, key: object, observe: Callable[[], PairMoments]) -> PairMoments:
        """What was kept under `key`; else what `observe` sees now, in its place."""
        if key != self._key:
            self._key, self._moments = None, {}
            self._moments = observe()
            self._key = key
        return self._moments


@dataclass(frozen=True, kw_only=True)
class MatchRows:
    """What matchers may look at: `batches` for activations, `validation` where learners choose.

    seen: remembers what was seen of the same parents on the same batches; None: nothing does.
    """

    batches: InputBatches = NO_ROWS
    validation: InputBatches = NO_ROWS
    seen: LastSeen | None = None


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
    way = find_multi_matcher(settings.multi_match if len(parents.loaded) > 2 else PAIR)
    if isinstance(found, Learner):
        return _learned(parents, found, way, settings, rows, workers)
    return _matched(parents.level(), found, way, settings, rows, workers)


def closer(parents: Parents, matches: tuple[Match, ...], workers: Workers) -> tuple[Match, ...]:
    """`matches`, but for those that bring a model no closer to A, by its weights, than it came.

    What a learner found was compared with that before it learned, and is not judged by weights.
    Called by all processes alike. Raises: CanonicalError.
    """
    if all(match.method in learners() for match in matches):
        return matches

    def judge() -> tuple[Match, ...]:
        with workers.single_threaded_ops():
            return where_closer(parents.states, matches)

    return workers.on_main(judge)


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
    found = _sharing_a_basin(parents, learner, settings, workers)
    apart = [number for number in range(1, len(parents.loaded)) if number not in found]
    if not apart:
        return tuple(found.values())
    states = parents.only([0, *apart]).level().states
    context = MethodContext(
        spec,
        copy.deepcopy(parents.a.model),
        rows.batches,
        workers,
        rows.validation,
        CheckpointStore(cache_folder().parent / CHECKPOINTS),
        settings.steps,
    )
    problem = MultiMatchProblem(spec, states, learner, {}, settings.seed, context)
    found |= dict(zip(apart, way.function(problem), strict=True))
    return tuple(match for _, match in sorted(found.items()))


def _sharing_a_basin(
    parents: Parents, learner: Learner, settings: MatchSettings, workers: Workers
) -> dict[int, Match]:
    """Number of a parent -> its match, which moves nothing, of those that share A's basin.

    They agree with A as they came, and are brought no closer by their weights: there is nothing to
    learn. Called by all processes alike.
    """
    spec, states = parents.spec, parents.states
    assert spec is not None

    def near() -> list[int]:
        with workers.single_threaded_ops():
            count = range(1, len(states))
            return [n for n in count if agreement(spec, states[0], states[n]) >= SHARED]

    way, weights = find_multi_matcher(PAIR), find_matcher("weights")
    found = {}
    for number in workers.on_main(near):
        pair = parents.only([0, number])
        tried = _matched(pair.level(), weights, way, settings, MatchRows(), workers)
        (match,) = closer(pair, tried, workers)
        if not match.moves:
            found[number] = replace(match, method=learner.name)
    return found


def _matched(
    parents: Parents,
    matcher: Matcher,
    way: MultiMatcher,
    settings: MatchSettings,
    rows: MatchRows,
    workers: Workers,
) -> tuple[Match, ...]:
    spec = parents.spec
    assert spec is not None

    def observe() -> PairMoments:
        shown = rows.batches
        if matcher.looks_at == SYNTHETIC:
            shown = synthetic_batches(parents.a.model, parents.a.processor, seed=settings.seed)
        return {
            (p, q): matcher.observe(spec, parents.model(p), parents.model(q), shown, workers)
            for p, q in way.pairs(len(parents.loaded))
        }

    moments: PairMoments = {}
    if matcher.looks_at != NOTHING:
        looks = (matcher.observe, matcher.looks_at, spec)
        moments = (rows.seen or LastSeen()).moments(looks, observe)
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
