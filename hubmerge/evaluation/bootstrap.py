"""The paired bootstrap over rows: what a figure might have been on other rows.

Source: B. Efron, R. Tibshirani, "An Introduction to the Bootstrap" (1993), section 13.3 (percentile
interval). All figures are resampled together, so that what the rows have in common cancels.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from hubmerge.models.metrics import Metric

RESAMPLES = 2000
SEED = 0
"""Fixed: an interval is a function of the figures alone."""
LEAST_ROWS = 30
"""Rows below which nothing is said of how far a figure may be off, and nothing is concluded: the
percentile interval of fewer covers too little. Source: T. Hesterberg, "What Teachers Should Know
About the Bootstrap", The American Statistician 69 (2015)."""
Bounds = tuple[float, float] | tuple[None, None]
"""Lower and upper; None where there are too few rows for any."""
NO_BOUNDS: Bounds = (None, None)
DRAWN_AT_ONCE = 1 << 18
"""Row numbers drawn by one call. The numbers are the same however many there are."""


def resampled_means(values: np.ndarray, resamples: int = RESAMPLES, seed: int = SEED) -> np.ndarray:
    """Means over rows drawn with replacement, the same rows for every figure.

    values: float64 [figures, rows]. Returns: float64 [resamples, figures].
    """
    figures, rows = values.shape
    draw = np.random.default_rng(seed)
    means = np.empty((resamples, figures))
    at_once = max(1, DRAWN_AT_ONCE // rows)
    for start in range(0, resamples, at_once):
        block = means[start : start + at_once]
        chosen = draw.integers(rows, size=(len(block), rows))
        # einsum adds in one fixed order; a BLAS product may depend on its number of threads.
        np.einsum("fr,nr->nf", values, _counts(chosen, rows) / rows, out=block)
    return means


def _counts(chosen: np.ndarray, rows: int) -> np.ndarray:
    """How often each of the rows was drawn: [resamples, drawn] -> [resamples, rows]."""
    each = chosen + rows * np.arange(len(chosen))[:, None]
    return np.bincount(each.ravel(), minlength=len(chosen) * rows).reshape(len(chosen), rows)


def resampled(
    metrics: Sequence[Metric], rows: int, resamples: int = RESAMPLES, seed: int = SEED
) -> np.ndarray:
    """Scores over rows drawn with replacement, the same rows for every score.

    Returns: float64 [resamples, scores].
    """
    draw = np.random.default_rng(seed)
    found = np.empty((resamples, len(metrics)))
    at_once = max(1, DRAWN_AT_ONCE // rows)
    for start in range(0, resamples, at_once):
        block = found[start : start + at_once]
        counts = _counts(draw.integers(rows, size=(len(block), rows)), rows).astype(np.float64)
        for values, count in zip(block, counts, strict=True):
            values[:] = [metric.value(count) for metric in metrics]
    return found


def bounds(samples: np.ndarray, confidence: float = 0.95) -> Bounds:
    """Lower and upper one-sided bounds at `confidence`, from resampled figures [resamples]."""
    low, high = np.quantile(samples, [1 - confidence, confidence])
    return float(low), float(high)


def is_enough(rows: int) -> bool:
    """Whether so many independent rows say how far a figure may be off."""
    return rows >= LEAST_ROWS
