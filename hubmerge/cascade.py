"""`--match auto`: several ways to match are tried, and the best on validation rows is kept."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from transformers import PreTrainedModel

from hubmerge.errors import CanonicalError
from hubmerge.matching import Match
from hubmerge.measure import Batches, Score, outputs, score
from hubmerge.spec.spec import Spec
from hubmerge.workers import Workers

ALL, PERMUTATIONS = "all", "permutations"


@dataclass(frozen=True)
class Way:
    """A matcher, and which symmetries it may use."""

    match: str
    symmetry: str

    def __str__(self) -> str:
        return self.match if self.symmetry == ALL else f"{self.match}, permutations only"


@dataclass(frozen=True)
class Attempt:
    """What the merge by one way is worth on validation rows.

    loss: mean cross-entropy in nats after one temperature fitted on the same rows.
    """

    match: str
    symmetry: str
    loss: float
    accuracy: float
    chosen: bool

    @property
    def told(self) -> str:
        """The way in words."""
        return str(Way(self.match, self.symmetry))


def ways(
    spec: Spec, *, calibration: bool, images: bool, many: bool = False, symmetry: str = ALL
) -> tuple[Way, ...]:
    """What to try, the likeliest first.

    calibration: whether there are rows to look at activations on. images: whether synthetic images
    could stand in for them. many: whether there are more than two models, which are brought
    together by activations or by weights, not by both. symmetry: "all" the spec allows, or
    "permutations".
    """
    if not calibration:
        return (Way("synthetic" if images else "weights", symmetry),)
    found = [Way("activations", symmetry)]
    if not many:
        found.insert(0, Way("activations-weights", symmetry))
    if symmetry == ALL and spec.mapped_spaces():
        found.append(Way("activations", PERMUTATIONS))
    return tuple(found)


Matches = tuple[Match, ...]


def best_way(
    tried: Sequence[Way],
    match: Callable[[Way], Matches],
    merge: Callable[[Matches], PreTrainedModel],
    validation: Batches | None,
    workers: Workers,
) -> tuple[Matches, tuple[Attempt, ...]]:
    """The matches whose merge has the least calibrated loss on `validation`, and all attempts.

    match: finds the matches of a way. merge: makes the model they give, valid until the next call.
    A way whose canonical form these weights do not allow is left out. The first way wins ties;
    where only one is to be tried, nothing is measured.
    Raises: CanonicalError, if no way is left.
    """
    if len(tried) == 1 or validation is None or not validation.rows:
        return match(tried[0]), ()
    entered: list[Way] = []
    found: list[Matches] = []
    scores: list[Score] = []
    for way in tried:
        try:
            matches = match(way)
            model = merge(matches)
        except CanonicalError:
            if way is tried[-1] and not found:
                raise
            continue
        given = outputs(model, validation, workers, f"trying {way}")
        entered.append(way)
        found.append(matches)
        scores.append(score(given, given))
    losses = [
        each.loss if each.calibrated_loss is None else each.calibrated_loss for each in scores
    ]
    best = losses.index(min(losses))
    attempts = tuple(
        Attempt(way.match, way.symmetry, losses[k], scores[k].accuracy, k == best)
        for k, way in enumerate(entered)
    )
    return found[best], attempts
