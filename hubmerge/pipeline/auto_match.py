"""`match: auto`: several configurations are tried, and the best on validation rows is kept."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from transformers import PreTrainedModel

from hubmerge.data.batches import Batches
from hubmerge.errors import CanonicalError
from hubmerge.evaluation.evaluate import outputs
from hubmerge.evaluation.results import Score
from hubmerge.evaluation.score import score
from hubmerge.matching import Match
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
"""Units left in the order they have. Tried where the models' label sets differ: what looks
for different things can be better off side by side."""


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
    spec: Spec, *, calibration: bool, images: bool, many: bool = False, symmetry: str = AUTO
) -> tuple[MatchConfig, ...]:
    """What to try first, the likeliest before others.

    calibration: whether there are rows to look at activations on. images: whether synthetic images
    could stand in for them. many: whether there are more than two models, which are brought
    together by activations or by weights, not by both. symmetry: one of the spec's `SYMMETRIES`,
    or "auto" to try them.
    """
    asked = SCALES if symmetry == AUTO else symmetry
    if not calibration:
        return (MatchConfig("synthetic" if images else "weights", asked),)
    names = ("activations",) if many else ("activations-weights", "activations")
    found = [MatchConfig(name, asked) for name in names]
    if symmetry == AUTO and spec.mapped_spaces():
        found.append(MatchConfig("activations", PERMUTATIONS))
    return tuple(found)


Matches = tuple[Match, ...]


def scale_configs(spec: Spec, best: MatchConfig, symmetry: str) -> tuple[MatchConfig, ...]:
    """What to try next to the `best` config: the same with less or more scaled, if left open."""
    if symmetry != AUTO or best.symmetry != SCALES:
        return ()
    others = (spec.allowing(other) for other in (MAPS, ALL))
    kinds = {other.symmetry for other in others} - {spec.allowing(SCALES).symmetry}
    return tuple(MatchConfig(best.match, kind) for kind in (MAPS, ALL) if kind in kinds)


@dataclass(frozen=True)
class _Tried:
    """A config, what it found, and the score of its merge."""

    config: MatchConfig
    matches: Matches
    score: Score

    @property
    def loss(self) -> float:
        """Calibrated, where that could be fitted."""
        fitted = self.score.calibrated_loss
        return self.score.loss if fitted is None else fitted


def best_match(
    first: Sequence[MatchConfig],
    match: Callable[[MatchConfig], Matches],
    merge: Callable[[Matches], PreTrainedModel],
    validation: Batches | None,
    workers: Workers,
    then: Callable[[MatchConfig], Sequence[MatchConfig]] = lambda best: (),
) -> tuple[Matches, tuple[MatchTrial, ...]]:
    """The matches whose merge has the least calibrated loss on `validation`, and all attempts.

    match: finds the matches of a config. merge: makes the model they give, valid until the next
    call. then: what to try as well, given the best of the `first`. A config whose canonical form
    these weights do not allow is left out. The earlier config wins ties; where there is one config,
    or no validation row, the first is taken and nothing measured.
    Raises: CanonicalError, if no config is left.
    """
    alone = len(first) == 1 and not then(first[0])
    if alone or validation is None or not validation.rows:
        return match(first[0]), ()

    def measured(config: MatchConfig) -> _Tried:
        matches = match(config)
        given = outputs(merge(matches), validation, workers, f"trying {config}")
        return _Tried(config, matches, score(given, given))

    allowed, refused = _allowed(first, measured)
    if not allowed:
        assert refused is not None
        raise refused
    more, _ = _allowed(then(min(allowed, key=lambda each: each.loss).config), measured)
    allowed += more
    best = min(allowed, key=lambda each: each.loss)
    attempts = tuple(
        MatchTrial(
            each.config.match, each.config.symmetry, each.loss, each.score.accuracy, each is best
        )
        for each in allowed
    )
    return best.matches, attempts


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
