"""Temperature scaling (arXiv:1706.04599, section 4.2): one number that takes overconfidence away.

The mean cross-entropy of softmax(beta z) is convex in beta = 1/T, so its slope has one root.

A contender that makes no mistake on the validation rows would be given T = 0, and pay for its first
mistake elsewhere without limit. So the slope is that against smoothed targets, as in J. Platt,
"Probabilistic outputs for support vector machines" (1999), section 2.2: beside the n rows stands
one more whose label is uniform. Its weight 1/(n + 1) vanishes as n grows.
"""

from __future__ import annotations

import numpy as np
from scipy.optimize import brentq
from scipy.special import log_softmax, softmax

LOWEST, HIGHEST = 0.05, 20.0
"""Temperatures beyond these are clamped."""


def fit_temperature(logits: np.ndarray, labels: np.ndarray) -> float:
    """The T at which `logits / T` fit the labels best, in [LOWEST, HIGHEST].

    logits: finite, float64 [rows, classes], at least one row; labels: int64 [rows].
    Never worse than T = 1 on these rows: where smoothing would make it so, T = 1 it is.
    """
    n = len(labels)
    rows = np.arange(n)
    centred = logits - logits.max(axis=1, keepdims=True)
    target = (n * centred[rows, labels] + centred.mean(axis=1)) / (n + 1)

    def slope(beta: float) -> float:
        expected = (softmax(beta * centred, axis=1) * centred).sum(axis=1)
        return float((expected - target).mean())

    def loss(beta: float) -> float:
        return float(-log_softmax(beta * centred, axis=1)[rows, labels].mean())

    least, most = 1 / HIGHEST, 1 / LOWEST
    if slope(least) >= 0:
        beta = least
    elif slope(most) <= 0:
        beta = most
    else:
        beta = float(brentq(slope, least, most, xtol=1e-12))
    return 1 / beta if loss(beta) <= loss(1.0) else 1.0
