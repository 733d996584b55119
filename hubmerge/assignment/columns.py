"""The best columns alone: of small matrices by scipy, which need not be compiled first."""

from __future__ import annotations

import numpy as np
from scipy.optimize import linear_sum_assignment

from hubmerge.assignment.solver import check, linear_assignment

SMALL = 512
"""Rows up to which scipy takes milliseconds: a match is over before the compiled loops, where no
earlier match compiled them, could begin."""


def best_columns(similarity: np.ndarray) -> np.ndarray:
    """The column for every row, int64 [n], with the largest sum of `similarity` over the pairs.

    What `linear_assignment` finds, without prices and without a start. Where the identity is worth
    as much but for rounding, it is taken; between other ties of a small matrix scipy decides.

    similarity: [n, n], float32 or float64, finite.
    Raises: ValueError, if the matrix is not square, of another type, or holds NaN or infinities.
    """
    n = len(similarity)
    if n > SMALL:
        return linear_assignment(similarity).columns
    check(similarity, None)
    if not np.isfinite(similarity).all():
        raise ValueError("similarity holds NaN or infinite values")
    _, columns = linear_sum_assignment(similarity, maximize=True)
    if not n:
        return np.empty(0, np.int64)
    rows, largest = np.arange(n), float(np.abs(similarity).max())
    with np.errstate(over="ignore", invalid="ignore"):
        gained = np.subtract(
            similarity[rows, columns], similarity[rows, rows], dtype=np.float64
        ).sum()
    if gained <= n * np.finfo(np.float64).eps * largest:
        return rows
    return columns.astype(np.int64)
