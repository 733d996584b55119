"""Loss, accuracy and calibration of one contender, from its logits.

Arrays: logits float64 [rows, classes], labels int64 [rows]. Losses in nats.
"""

from __future__ import annotations

from functools import reduce

import numpy as np
from scipy.special import log_softmax

from hubmerge.measure.evaluate import Outputs
from hubmerge.measure.results import Score
from hubmerge.measure.temperature import fit_temperature

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


def ensemble(*members: Outputs) -> Outputs:
    """The contenders' mean probabilities, as logits: log of the mean of their softmaxes."""
    logs = (log_softmax(member.logits, axis=1) for member in members)
    return Outputs(reduce(np.logaddexp, logs) - np.log(len(members)), members[0].labels)


def temperature_of(validation: Outputs | None) -> float | None:
    """The contender's temperature; None without validation rows, or if logits are not finite."""
    if validation is None or not len(validation) or not validation.finite:
        return None
    return fit_temperature(validation.logits, validation.labels)


def score(outputs: Outputs, validation: Outputs | None = None) -> Score:
    """Everything about one contender on the evaluation rows `outputs`.

    validation: the same contender on the validation rows, where its temperature is fitted.
    Raises: ValueError, if there are no rows.
    """
    if not len(outputs):
        raise ValueError("there are no rows to score")
    logits, labels = outputs.logits, outputs.labels
    temperature = temperature_of(validation)
    calibrated = None
    if temperature is not None:
        calibrated = float(cross_entropy(logits, labels, temperature).mean())
    return Score(
        loss=float(cross_entropy(logits, labels).mean()),
        accuracy=float(correct(logits, labels).mean()),
        calibration_error=calibration_error(logits, labels),
        temperature=temperature,
        calibrated_loss=calibrated,
        n=len(outputs),
    )
