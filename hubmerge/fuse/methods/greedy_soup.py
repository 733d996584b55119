"""Greedy soup: models come in one by one, best first, and stay if validation rows say so."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Literal

from hubmerge.fuse._mean import weighted_mean
from hubmerge.fuse.laws import EXCHANGE, IDENTITY, PERMUTATIONS, ROTATIONS, UNITY
from hubmerge.fuse.options import Says
from hubmerge.fuse.registry import fusion
from hubmerge.fuse.result import Fused, Soup, Step
from hubmerge.fuse.validation_scorer import ValidationScorer
from hubmerge.symmetry.permutation import State
from hubmerge.utils.progress import track


@fusion(
    source="arXiv:2203.05482, section 2, Recipe 1",
    laws=(IDENTITY, EXCHANGE, UNITY, PERMUTATIONS, ROTATIONS),
    weighs=False,
)
def greedy_soup(
    states: Sequence[State],
    weights: Sequence[float],
    *,
    scorer: ValidationScorer,
    metric: Annotated[
        Literal["loss", "accuracy", "robust-accuracy"],
        Says("what must not get worse; robust means under input noise"),
    ] = "accuracy",
) -> Fused:
    """The mean of the models that, added best first, do not make it worse on validation rows.

    So it is never worse there than the best model alone. Every candidate is repaired before it is
    judged; of those that are as good alone, the one of less loss comes first. The record says what
    came in when.
    """
    count = len(states)

    def soup(members: Sequence[int]) -> tuple[dict, list[float]]:
        own = [1 / len(members) if n in members else 0.0 for n in range(count)]
        return weighted_mean(states, own), own

    with track(2 * count - 1, "greedy soup") as bar:

        def figures(members: Sequence[int]) -> tuple[float, float]:
            found = scorer.figures(metric, *soup(members))
            bar.update(1)
            return found

        singles = [figures([n]) for n in range(count)]
        alone = [figure for figure, _ in singles]
        first, *others = sorted(range(count), key=lambda n: singles[n], reverse=True)
        members, best = [first], alone[first]
        steps = [(first, alone[first], True)]
        for n in others:
            found, _ = figures([*members, n])
            steps.append((n, found, found >= best))
            if found >= best:
                members, best = [*members, n], found
    sign = -1.0 if metric == "loss" else 1.0
    record = Soup(
        metric, tuple(Step(n, sign * alone[n], sign * found, taken) for n, found, taken in steps)
    )
    state, own = soup(members)
    return Fused(state, tuple(own), record)
