"""SWAD: a dense mean over the window of a run in which validation loss is flat."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

from hubmerge.fuse._training_run import mean_of
from hubmerge.fuse.laws import IDENTITY, PERMUTATIONS, ROTATIONS, UNITY
from hubmerge.fuse.options import Says
from hubmerge.fuse.registry import fusion
from hubmerge.fuse.result import Fused, Soup, Step
from hubmerge.fuse.validation_scorer import ValidationScorer
from hubmerge.symmetry.permutation import State
from hubmerge.utils.progress import track


@fusion(
    source="arXiv:2102.08604, section 3.3, Algorithm 1",
    laws=(IDENTITY, UNITY, PERMUTATIONS, ROTATIONS),
    weighs=False,
    of_a_run=True,
)
def swad(
    states: Sequence[State],
    weights: Sequence[float],
    *,
    scorer: ValidationScorer,
    patience: Annotated[int, Says("checkpoints no better than the window's first", 1)] = 3,
    overfit: Annotated[int, Says("checkpoints above the tolerance that end the window", 1)] = 6,
    tolerance: Annotated[
        float, Says("loss allowed, relative to the mean of the first ones", 1)
    ] = 1.3,
) -> Fused:
    """The mean of all checkpoints of a run between where validation loss settles and overfits."""
    count = len(states)
    losses = []
    with track(count, "swad") as bar:
        for n, state in enumerate(states):
            own = [float(n == m) for m in range(count)]
            losses.append(scorer.loss(state, own))
            bar.update(1)
    start, stop = window(losses, patience, overfit, tolerance)
    steps = tuple(Step(n, loss, None, start <= n < stop) for n, loss in enumerate(losses))
    made = mean_of(states, range(start, stop))
    return Fused(made.state, made.weights, Soup("loss", steps))


def window(
    losses: Sequence[float], patience: int, overfit: int, tolerance: float
) -> tuple[int, int]:
    """Where the window starts, and where it has ended.

    It starts at the first loss that is the least of itself and the next `patience` - 1; it ends
    before the first of `overfit` in a row that are all above `tolerance` times the mean of those
    `patience`. Fewer are taken at the run's end; without such an end it goes on to the last one.
    """
    last = len(losses)
    start = next(n for n in range(last) if losses[n] <= min(losses[n : n + patience]))
    settled = losses[start : start + patience]
    most = tolerance * sum(settled) / len(settled)
    for n in range(start + 1, last - overfit + 1):
        if min(losses[n : n + overfit]) > most:
            return start, n
    return start, last
