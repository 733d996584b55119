"""The paired bootstrap over rows: what a figure might have been on other rows.

Source: B. Efron, R. Tibshirani, "An Introduction to the Bootstrap" (1993), section 13.3 (percentile
interval). All figures are resampled together, so that what the rows have in common cancels.
"""

from __future__ import annotations

import numpy as np

RESAMPLES = 2000
SEED = 0
"""Fixed: an interval is a function of the figures alone."""
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
        for mean, chosen in zip(block, draw.integers(rows, size=(len(block), rows)), strict=True):
            counts = np.bincount(chosen, minlength=rows)
            # einsum adds in one fixed order; a BLAS product may depend on its number of threads.
            mean[:] = np.einsum("fr,r->f", values, counts / rows)
    return means


def bounds(samples: np.ndarray, confidence: float = 0.95) -> tuple[float, float]:
    """Lower and upper one-sided bounds at `confidence`, from resampled figures [resamples]."""
    low, high = np.quantile(samples, [1 - confidence, confidence])
    return float(low), float(high)
