"""What logits over classes are worth, row by row.

Arrays: logits float64 [rows, classes], labels int64 [rows]. Losses in nats.
"""

from __future__ import annotations

import numpy as np
from scipy.special import log_softmax

BINS = 15
"""Of confidence, equally wide (arXiv:1706.04599, section 2)."""


def cross_entropy(logits: np.ndarray, labels: np.ndarray, temperature: float = 1.0) -> np.ndarray:
    """Loss of each row, [rows], after dividing the logits by `temperature`.

    NaN where logits are not finite.
    """
    with np.errstate(invalid="ignore"):
        return -log_softmax(logits / temperature, axis=1)[np.arange(len(labels)), labels]


def correct(logits: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Whether the label has the largest logit (the first of several), bool [rows].

    A row whose logits are not all numbers is wrong.
    """
    return (logits.argmax(axis=1) == labels) & ~np.isnan(logits).any(axis=1)


def calibration_error(logits: np.ndarray, labels: np.ndarray, bins: int = BINS) -> float:
    """Expected calibration error: |accuracy - mean confidence| per bin, weighted by its rows.

    Bin k of K holds confidences in (k/K, (k+1)/K]. Source: arXiv:1706.04599, equation 3.
    """
    with np.errstate(invalid="ignore"):
        confidence = np.exp(log_softmax(logits, axis=1)).max(axis=1)
    if not np.isfinite(confidence).all():
        return float("nan")
    bin_of = np.clip(np.ceil(confidence * bins).astype(int) - 1, 0, bins - 1)
    gap = np.bincount(bin_of, correct(logits, labels) - confidence, minlength=bins)
    return float(np.abs(gap).sum() / len(labels))
