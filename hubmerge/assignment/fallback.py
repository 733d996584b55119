"""Assignments by scipy, for where numba is missing, and as the reference the tests compare with."""

from __future__ import annotations

import numpy as np
from scipy.optimize import linear_sum_assignment

from hubmerge.assignment.certificate import row_gaps


def solve(similarity: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Columns [n] and prices [n] of the optimal assignment of `similarity` [n, n]."""
    _, columns = linear_sum_assignment(similarity, maximize=True)
    return columns.astype(np.int64), recover_prices(similarity, columns)


def recover_prices(similarity: np.ndarray, columns: np.ndarray) -> np.ndarray:
    """Prices at which every row wants the column it has, if `columns` are optimal.

    A row that wants another column more lowers the price of its own by the difference, all rows at
    once, until none does: Bellman and Ford's shortest paths, which take n rounds at most. Rounding
    ends them where the sum of the differences no longer shrinks.
    """
    prices = np.zeros(len(columns))
    best, least = prices, np.inf
    for _ in range(len(columns) + 1):
        gaps = row_gaps(similarity, columns, prices)
        if (gap := float(gaps.sum())) < least:
            best, least = prices.copy(), gap
        if gap == 0:
            break
        prices[columns] -= gaps
    return best
