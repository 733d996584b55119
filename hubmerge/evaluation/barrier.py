"""The barrier of a path: how far the loss (or the error) rises above the line between its ends.

Arrays: losses float64 [points, rows], one row of losses per point of the path; lams [points], the
points in ascending order. The first is parent A (0). The last (1) is parent B, or, of more than
two parents, a mixture of all; then `far` [rows] is the same mixture of the parents' own losses.
For the error barrier, losses are 1 where a row was wrong and 0 where it was right.
Source: arXiv:1912.05671, section 2 (error barrier); arXiv:2209.04836, section 2 (loss barrier).
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np

from hubmerge.evaluation.bootstrap import NO_BOUNDS, bounds, is_enough, resampled_means
from hubmerge.evaluation.results import Barrier

FINE = 0.05
"""Neighbours of a maximum that is settled lie no farther from it than this."""
MISSED = 0.002
"""Nats, or share of rows, that may lie between points where a maximum is settled."""
MISSED_SHARE = 0.01
"""The same as a share of the maximum, where that is more."""


def excess(losses: np.ndarray, lams: Sequence[float], far: np.ndarray | None = None) -> np.ndarray:
    """L(lam) - [(1 - lam) L(A) + lam far], row by row: [points, rows]; `far` is L(B) by default.

    Exactly zero at the ends that are parents, and wherever a point has the losses of both ends.
    """
    lam = np.asarray(lams)[:, None]
    beyond = losses[-1] if far is None else far
    return (1 - lam) * (losses - losses[0]) + lam * (losses - beyond)


def highest(losses: np.ndarray, lams: Sequence[float], far: np.ndarray | None = None) -> int:
    """The number of the point, of those that are no parent, whose mean excess is largest."""
    return 1 + int(excess(losses, lams, far)[_between(far)].mean(axis=1).argmax())


def barrier(losses: np.ndarray, lams: Sequence[float], far: np.ndarray | None = None) -> Barrier:
    """The largest mean excess over points that are no parent, with its paired bootstrap interval,
    if there are rows enough for one.

    The maximum is taken anew in every resample. Negative where the whole path lies below the line.
    """
    rise, top = excess(losses, lams, far), highest(losses, lams, far)
    low, high = NO_BOUNDS
    if is_enough(rise.shape[1]):
        low, high = bounds(resampled_means(rise[_between(far)]).max(axis=1))
    return Barrier(
        value=float(rise[top].mean()),
        at=float(lams[top]),
        low=low,
        high=high,
        settled=not wanted(losses, lams, far),
    )


def wanted(losses: np.ndarray, lams: Sequence[float], far: np.ndarray | None = None) -> list[float]:
    """Where the path is to be looked at next, for its maximum; nowhere once that is settled.

    It is where both neighbours are near, and the parabola through the three rises no more above
    the highest than may be missed. A maximum that is no number is settled.
    """
    means, top = excess(losses, lams, far).mean(axis=1), highest(losses, lams, far)
    near = lams[top - 1 : top + 2]
    if not np.isfinite(means).all():
        return []
    gap = max(right - left for left, right in pairwise(near))
    allowed = max(MISSED, MISSED_SHARE * means[top])
    if gap <= FINE + 1e-9 and missed(means, lams, top) <= allowed:
        return []
    return around(lams, top)


def missed(means: np.ndarray, lams: Sequence[float], top: int) -> float:
    """How far a parabola through point number `top` and its neighbours rises above them; [points].

    0 where it rises nowhere between them, and at an end of the path, beyond which is nothing.
    """
    if not 0 < top < len(lams) - 1:
        return 0.0
    (left, here, right), (low, high, last) = lams[top - 1 : top + 2], means[top - 1 : top + 2]
    before, after = (high - low) / (here - left), (last - high) / (right - here)
    bend = (after - before) / (right - left)
    slope = before + bend * (here - left)
    if bend >= 0 or not left < here - slope / (2 * bend) < right:
        return 0.0
    return max(0.0, float(high - slope**2 / (4 * bend) - max(low, high, last)))


def around(lams: Sequence[float], top: int) -> list[float]:
    """The midpoints between point number `top` and its neighbours, of which the last has one."""
    near = lams[top - 1 : top + 2]
    return [round((left + right) / 2, 6) for left, right in pairwise(near)]


def _between(far: np.ndarray | None) -> slice:
    """The points that are no parent: without the last one, unless that is a mixture."""
    return slice(1, -1 if far is None else None)
