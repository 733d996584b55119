"""The loss barrier of a path: how far the loss rises above the line between its ends.

Arrays: losses float64 [points, rows], one row of losses per point of the path; lams [points], the
points in ascending order. The first is parent A (0), the last parent B (1).
Source: arXiv:1912.05671, section 2 (error barrier); arXiv:2209.04836, section 2 (loss barrier).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from hubmerge.measure.bootstrap import bounds, resampled_means
from hubmerge.measure.results import Barrier


def excess(losses: np.ndarray, lams: Sequence[float]) -> np.ndarray:
    """L(lam) - [(1 - lam) L(A) + lam L(B)], row by row: [points, rows].

    Exactly zero at the ends, and wherever a point has the losses of both ends.
    """
    lam = np.asarray(lams)[:, None]
    return (1 - lam) * (losses - losses[0]) + lam * (losses - losses[-1])


def highest(losses: np.ndarray, lams: Sequence[float]) -> int:
    """The number of the interior point whose mean excess is largest."""
    return 1 + int(excess(losses, lams)[1:-1].mean(axis=1).argmax())


def barrier(losses: np.ndarray, lams: Sequence[float]) -> Barrier:
    """The largest mean excess over the interior points, with its paired bootstrap interval.

    The maximum is taken anew in every resample. Negative where the whole path lies below the line.
    """
    rise, top = excess(losses, lams), highest(losses, lams)
    low, high = bounds(resampled_means(rise[1:-1]).max(axis=1))
    return Barrier(value=float(rise[top].mean()), at=float(lams[top]), low=low, high=high)


def around(lams: Sequence[float], top: int) -> list[float]:
    """The midpoints between the interior point number `top` and its two neighbours."""
    left, here, right = lams[top - 1 : top + 2]
    return [round((left + here) / 2, 6), round((here + right) / 2, 6)]
