"""Logits over classes, kept row by row: what they are worth, and the mean of several models'.

Arrays: logits float64 [rows, classes], labels int64 [rows]. Losses in nats.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from typing import TYPE_CHECKING, ClassVar

import numpy as np
from scipy.special import log_softmax

from hubmerge.models.metrics import Mean, Metric
from hubmerge.models.outputs import EveryLogit
from hubmerge.models.temperature import fit_temperature

if TYPE_CHECKING:
    from hubmerge.models.label_outputs import Answers

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


@dataclass(frozen=True)
class ClassOutputs:
    """A classifier's logits, float64 [rows, classes], and labels, int64 [rows], in their order."""

    logits: np.ndarray
    labels: np.ndarray

    calibrates = True
    others: ClassVar[Mapping[str, Metric]] = {}

    def __len__(self) -> int:
        return len(self.labels)

    def first(self, rows: int) -> ClassOutputs:
        """The first `rows` rows."""
        return ClassOutputs(self.logits[:rows], self.labels[:rows])

    @property
    def finite(self) -> bool:
        """Whether every logit is a number."""
        return bool(np.isfinite(self.logits).all())

    @property
    def right(self) -> np.ndarray:
        """Whether the label has the largest logit, bool [rows]."""
        return correct(self.logits, self.labels)

    @property
    def metric(self) -> Metric:
        """Accuracy: the share of what is right."""
        return Mean(self.right)

    @property
    def calibration_error(self) -> float:
        """Expected calibration error."""
        return calibration_error(self.logits, self.labels)

    def losses(self, temperature: float = 1.0) -> np.ndarray:
        """Cross-entropy of each row in nats."""
        return cross_entropy(self.logits, self.labels, temperature)

    def fitted_temperature(self) -> float:
        """See `fit_temperature`."""
        return fit_temperature(self.logits, self.labels)


@dataclass(frozen=True)
class ClassStatistics(EveryLogit):
    """Keeps every logit: the `RowStatistics` of classifiers."""

    def outputs(
        self, figures: np.ndarray, labels: np.ndarray, answers: Answers | None
    ) -> ClassOutputs:
        """Logits of outputs, read as logits of labels."""
        return ClassOutputs(figures if answers is None else answers.read(figures), labels)


def mean_prediction(
    members: Sequence[ClassOutputs], known: np.ndarray | None = None
) -> ClassOutputs:
    """The contenders' mean probabilities, as logits: log of the mean of their softmaxes.

    known: bool [members, labels]; what a label counts is the mean over the members that know it.
    """
    logs = [log_softmax(member.logits, axis=1) for member in members]
    if known is None:
        return ClassOutputs(reduce(np.logaddexp, logs) - np.log(len(logs)), members[0].labels)
    heard = [np.where(own, log, -np.inf) for own, log in zip(known, logs, strict=True)]
    return ClassOutputs(reduce(np.logaddexp, heard) - np.log(known.sum(0)), members[0].labels)
