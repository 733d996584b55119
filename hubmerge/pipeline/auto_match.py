"""What matchers found is tried on validation rows, and so is leaving the models as they came."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
from transformers import PreTrainedModel

from hubmerge.data.batches import Batches
from hubmerge.errors import CanonicalError
from hubmerge.evaluation.evaluate import outputs
from hubmerge.evaluation.results import Score
from hubmerge.evaluation.score import score
from hubmerge.matching import Match, learners
from hubmerge.specs.spec import ALL, MAPS, PERMUTATIONS, SCALES, Spec
from hubmerge.utils.workers import Workers

AUTO = "auto"
"""Symmetries: what validation rows favour, or "scales" where nothing is tried."""


@dataclass(frozen=True)
class MatchConfig:
    """A matcher, and which symmetries it may use."""

    match: str
    symmetry: str

    def __str__(self) -> str:
        if self == NO_MATCHING:
            return "not at all"
        said = {
            ALL: ", inputs of batch norms scaled",
            MAPS: ", nothing scaled",
            PERMUTATIONS: ", permutations only",
        }
        return self.match + said.get(self.symmetry, "")


NO_MATCHING = MatchConfig("none", PERMUTATIONS)
"""Units left in the order they have: the one candidate of every match."""

BY_ROWS = ("activations-weights", "activations")
"""What is tried where there are rows to look at activations on."""

SURELY = 2.0
"""Standard errors of the mean paired difference of losses from which on one merge is better."""


@dataclass(frozen=True)
class MatchTrial:
    """What the merge by one config is worth on validation rows.

    loss: mean cross-entropy in nats after one temperature fitted on the same rows.
    """

    match: str
    symmetry: str
    loss: float
    accuracy: float
    chosen: bool

    @property
    def description(self) -> str:
        """The configuration in words."""
        return str(MatchConfig(self.match, self.symmetry))


def first_configs(
    spec: Spec,
    names: Sequence[str] = BY_ROWS,
    *,
    calibration: bool,
    images: bool,
    many: bool = False,
    symmetry: str = AUTO,
) -> tuple[MatchConfig, ...]:
    """What to try first, the likeliest before others.

    names: of matchers that look at rows, as the effort has them; those that learn are tried where
    there is something to learn, which are rotations and linear maps. calibration: whether there are
    rows to look at activations on. images: whether synthetic images could stand in for them. many:
    whether there are more than two models, which are brought together by activations or by weights,
    not by both. symmetry: one of the spec's `SYMMETRIES`, or "auto" to try them.
    """
    asked = SCALES if symmetry == AUTO else symmetry
    if not calibration:
        return (MatchConfig("synthetic" if images else "weights", asked),)
    plain = [name for name in names if name not in learners()]
    found = [MatchConfig(name, asked) for name in (["activations"] if many else plain)]
    if symmetry == AUTO and spec.mapped_spaces():
        found.append(MatchConfig("activations", PERMUTATIONS))
    if spec.allowing(asked).mapped_spaces() and not many:
        found += [MatchConfig(name, asked) for name in names if name in learners()]
    return tuple(found)


Matches = tuple[Match, ...]


def scale_configs(spec: Spec, best: MatchConfig, symmetry: str) -> tuple[MatchConfig, ...]:
    """What to try next to the `best` config: the same with less or more scaled, if left open."""
    if symmetry != AUTO or best.symmetry != SCALES or best.match in learners():
        return ()
    others = (spec.allowing(other) for other in (MAPS, ALL))
    kinds = {other.symmetry for other in others} - {spec.allowing(SCALES).symmetry}
    return tuple(MatchConfig(best.match, kind) for kind in (MAPS, ALL) if kind in kinds)


@dataclass(frozen=True)
class _Tried:
    """A config, what it found, the score of its merge, and the loss of every row."""

    config: MatchConfig
    matches: Matches
    score: Score
    losses: np.ndarray

    @property
    def loss(self) -> float:
        """Calibrated, where that could be fitted."""
        return self.score.judged_loss


def best_match(
    first: Sequence[MatchConfig],
    match: Callable[[MatchConfig], Matches],
    merge: Callable[[Matches], PreTrainedModel],
    validation: Batches | None,
    workers: Workers,
    then: Callable[[MatchConfig], Sequence[MatchConfig]] = lambda best: (),
    closer: Callable[[Matches], Matches] = lambda found: found,
) -> tuple[Matches, tuple[MatchTrial, ...]]:
    """The matches whose merge has the least calibrated loss on `validation`, and all attempts.

    match: finds the matches of a config. merge: makes the model they give, valid until the next
    call. then: what to try as well, given the best of the `first`. closer: the matches, but for
    those that bring a model no closer by its weights than it came. That is what stands, unless
    validation rows say surely that the best config, or leaving all models as they came, is better.
    A config whose canonical form these weights do not allow is left out. The earlier config wins
    ties; without validation rows the first is taken and nothing measured.
    Returns: no matches, where all models are left as they came; only then that is an attempt, too.
    Raises: CanonicalError, if no config is left.
    """
    if validation is None or not validation.rows:
        return _standing(closer(match(first[0]))), ()

    def tried(config: MatchConfig, matches: Matches) -> _Tried:
        given = outputs(merge(matches), validation, workers, f"trying {config}")
        found = score(given, given)
        return _Tried(config, matches, found, given.losses(found.temperature or 1.0))

    def measured(config: MatchConfig) -> _Tried:
        return tried(config, _standing(match(config)))

    allowed, refused = _allowed(first, measured)
    if not allowed:
        assert refused is not None
        raise refused
    more, _ = _allowed(then(min(allowed, key=lambda each: each.loss).config), measured)
    allowed += more
    best = min(allowed, key=lambda each: each.loss)
    still = next((each for each in allowed if not each.matches), None)
    if best.matches:
        still = still or tried(NO_MATCHING, ())
        best = _standing_up(best, still, partial(tried, best.config), closer)
    if not best.matches:  # whatever was asked for, nothing is matched
        best = replace(best, config=NO_MATCHING)
        allowed = [each for each in allowed if each.config != NO_MATCHING] + [best]
    attempts = tuple(
        MatchTrial(
            each.config.match,
            each.config.symmetry,
            each.loss,
            each.score.accuracy,
            each.config == best.config,
        )
        for each in allowed
    )
    return best.matches, attempts


def _standing_up(
    best: _Tried,
    still: _Tried,
    measured: Callable[[Matches], _Tried],
    closer: Callable[[Matches], Matches],
) -> _Tried:
    """What stands of the `best` config against leaving models as they came."""
    kept = _standing(closer(best.matches))
    if not kept:
        stands, others = still, [best]
    elif [match.moves for match in kept] == [match.moves for match in best.matches]:
        stands, others = best, [still]
    else:
        stands, others = measured(kept), [best, still]
    better = [each for each in others if surely_better(each.losses, stands.losses)]
    return min(better, key=lambda each: each.loss) if better else stands


def surely_better(losses: np.ndarray, others: np.ndarray) -> bool:
    """Whether `losses` are lower than `others` on the same rows, and not by chance alone."""
    if not np.isfinite(losses).all():
        return False
    if not np.isfinite(others).all():
        return True
    gained = others - losses
    if len(gained) < 2:
        return False
    return bool(gained.mean() > SURELY * gained.std(ddof=1) / len(gained) ** 0.5)


def _standing(matches: Matches) -> Matches:
    """`matches`; none, where none of them moves anything."""
    return matches if any(match.moves for match in matches) else ()


def _allowed(
    tried: Sequence[MatchConfig], measured: Callable[[MatchConfig], _Tried]
) -> tuple[list[_Tried], CanonicalError | None]:
    """The configurations that these weights allow, and why the last of the others was refused."""
    allowed, refused = [], None
    for config in tried:
        try:
            allowed.append(measured(config))
        except CanonicalError as error:
            refused = error
    return allowed, refused
