"""Exact linear assignment: which row goes with which column, and the proof that it is best."""

from __future__ import annotations

from functools import lru_cache
from math import frexp
from typing import TYPE_CHECKING, Any

import numpy as np

from hubmerge.assignment import certificate, fallback
from hubmerge.assignment.result import Assignment

if TYPE_CHECKING:
    from hubmerge.assignment.compiled import Kernels

WHOLE: dict[Any, Any] = {
    np.dtype(np.float32): np.dtype(np.int32),
    np.dtype(np.float64): np.dtype(np.int64),
}
"""Precision -> integers of the same size."""
WIDE: dict[Any, int] = {np.dtype(np.float32): 64, np.dtype(np.float64): 512}
"""Precision -> binary exponents within which sums of entries can neither overflow nor vanish."""


def linear_assignment(similarity: np.ndarray, warm: Assignment | None = None) -> Assignment:
    """The assignment of rows to columns with the largest sum of `similarity`, exactly.

    Compiled by numba where it can be imported (see `kernels` for the algorithm and the rule for
    ties), else solved by scipy, whose rule for ties is its own. The same matrix and start give the
    same assignment, on any number of threads.

    similarity: [n, n], float32 or float64, finite.
    warm: the assignment of an earlier, similar matrix of the same size. It saves most of the time,
        and may lead to another assignment of the same value. A start of little use is dropped.

    Returns: Assignment. Its gap is 0 but for rounding: at most n eps max|S|.
    Raises: ValueError, if the matrix is not square, of another type, or holds NaN or infinities,
        or if `warm` is of another size.
    """
    check(similarity, warm)
    n = len(similarity)
    if n == 0:
        return Assignment(np.empty(0, np.int64), np.empty(0), 0.0, 0.0)
    matrix = np.ascontiguousarray(similarity)
    kernels = _kernels(matrix.dtype.name)
    if kernels is None:
        columns, prices, gap = _by_scipy(matrix)
    else:
        columns, prices, gap = _by_kernels(kernels, matrix, warm)
    with np.errstate(over="ignore"):  # near the largest double even a sum of few is infinite
        value = float(matrix[np.arange(n), columns].sum(dtype=np.float64))
    return Assignment(columns, prices, value, gap)


@lru_cache
def _kernels(precision: str) -> Kernels | None:
    """The compiled kernels; None without numba, or with one that does not suit this numpy."""
    try:
        from hubmerge.assignment.compiled import kernels_for
    except ImportError:
        return None
    return kernels_for(precision)


def check(similarity: np.ndarray, warm: Assignment | None) -> None:
    """Raises: ValueError, as `linear_assignment` does, but for NaN and infinities."""
    if similarity.ndim != 2 or similarity.shape[0] != similarity.shape[1]:
        raise ValueError(f"similarity has shape {similarity.shape}; an assignment needs [n, n]")
    if similarity.dtype not in WHOLE:
        raise ValueError(f"similarity is {similarity.dtype}; give it as float32 or float64")
    if warm is None:
        return
    n = len(similarity)
    if warm.columns.shape != (n,) or warm.prices.shape != (n,):
        raise ValueError(
            f"the similarity is [{n}, {n}], but the assignment to start from has "
            f"{len(warm.columns)} columns and {len(warm.prices)} prices"
        )
    if not (np.isfinite(warm.prices).all() and ((warm.columns >= 0) & (warm.columns < n)).all()):
        raise ValueError("the assignment to start from holds no columns and prices of this matrix")


def _by_kernels(
    kernels: Kernels, matrix: np.ndarray, warm: Assignment | None
) -> tuple[np.ndarray, np.ndarray, float]:
    """Columns, prices and gap."""
    whole = WHOLE[matrix.dtype]
    tops = np.empty(len(matrix), matrix.dtype)
    patterns = np.empty(len(matrix), whole)
    kernels.survey(matrix, matrix.view(whole), np.iinfo(whole).max, tops, patterns)
    largest = patterns.view(matrix.dtype)
    if not np.isfinite(largest).all():
        raise ValueError("similarity holds NaN or infinite values")
    if largest.any() and abs(exponent := frexp(largest.max())[1]) > WIDE[matrix.dtype]:
        return _rescaled(kernels, matrix, warm, exponent)
    if warm is None:
        columns, prices = np.empty(len(matrix), np.int64), np.empty(len(matrix))
    else:
        columns, prices = warm.columns.astype(np.int64), warm.prices.astype(np.float64)
    kernels.solve(matrix, largest, tops, prices, columns, warm is not None)
    gaps = np.empty(len(matrix))
    kernels.row_gaps(matrix, prices, columns, gaps)
    return columns, prices, float(gaps.sum())


def _rescaled(
    kernels: Kernels, matrix: np.ndarray, warm: Assignment | None, exponent: int
) -> tuple[np.ndarray, np.ndarray, float]:
    """`_by_kernels` on the matrix divided by 2^exponent, which moves no bits that matter."""
    if warm is not None:
        warm = Assignment(warm.columns, np.ldexp(warm.prices, -exponent), 0.0, 0.0)
    columns, prices, gap = _by_kernels(kernels, np.ldexp(matrix, -exponent), warm)
    return columns, np.ldexp(prices, exponent), float(np.ldexp(gap, exponent))


def _by_scipy(matrix: np.ndarray) -> tuple[np.ndarray, np.ndarray, float]:
    """Columns, prices and gap; scipy takes no start."""
    if not np.isfinite(matrix).all():
        raise ValueError("similarity holds NaN or infinite values")
    columns, prices = fallback.solve(matrix)
    return columns, prices, certificate.optimality_gap(matrix, columns, prices)
