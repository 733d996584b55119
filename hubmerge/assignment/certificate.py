"""How far an assignment may be from the best: the bound that any dual prices give."""

from __future__ import annotations

import numpy as np

CHUNK = 1 << 20
"""Entries looked at together."""


def optimality_gap(similarity: np.ndarray, columns: np.ndarray, prices: np.ndarray) -> float:
    """What the best assignment can be worth beyond `columns`, by the prices of the columns.

    For any prices p no assignment is worth more than sum_j p[j] + sum_i max_j (S[i, j] - p[j]):
    the dual of the linear programme. Against the value of `columns`, whose prices are the same
    sum, every row contributes what its best column would give it beyond its own.

    similarity: [n, n]; columns: [n], a permutation; prices: [n]. Takes O(n^2).
    """
    return float(row_gaps(similarity, columns, prices).sum())


def row_gaps(similarity: np.ndarray, columns: np.ndarray, prices: np.ndarray) -> np.ndarray:
    """[n] float64: how much more each row would get from its best column than from its own."""
    n = len(columns)
    gaps = np.empty(n)
    step = max(CHUNK // max(n, 1), 1)
    for start in range(0, n, step):
        worth = similarity[start : start + step].astype(np.float64) - prices
        own = np.take_along_axis(worth, columns[start : start + step, None], axis=1)
        gaps[start : start + step] = worth.max(axis=1) - own[:, 0]
    return gaps
