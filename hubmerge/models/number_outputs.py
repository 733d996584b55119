"""Outputs that are numbers, as those of a regression: how far they are from what is right.

Arrays: said, labels float64 [rows, outputs]. The loss of a row is its squared error as a share of
the variance of the labels, the mean over outputs: 1 is what a constant gets that knows the labels'
mean, whatever unit they are in, and 1 minus the mean loss is the coefficient of determination.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from hubmerge.models.metrics import Metric, OfSums, Spearman, pearson, pearson_of
from hubmerge.models.outputs import EveryLogit

if TYPE_CHECKING:
    from hubmerge.models.label_outputs import Answers


@dataclass(frozen=True)
class NumberOutputs:
    """What was said and what is right, [rows, outputs] each; variance [outputs], of the labels."""

    said: np.ndarray
    labels: np.ndarray
    variance: np.ndarray

    calibrates = False
    calibration_error = None

    def __len__(self) -> int:
        return len(self.labels)

    def first(self, rows: int) -> NumberOutputs:
        """The first `rows` rows, in units of the variance of all."""
        return NumberOutputs(self.said[:rows], self.labels[:rows], self.variance)

    @property
    def finite(self) -> bool:
        """Whether every output is a number."""
        return bool(np.isfinite(self.said).all())

    @property
    def metric(self) -> Metric:
        """Pearson's correlation, the mean over outputs."""
        parts = [pearson(s, w) for s, w in zip(self.said.T, self.labels.T, strict=True)]
        figures = np.concatenate([part.figures for part in parts], axis=1)
        return OfSums(figures, _mean_of(pearson_of, 5))

    @property
    def others(self) -> Mapping[str, Metric]:
        """Spearman's correlation, of a single output."""
        if self.said.shape[1] != 1:
            return {}
        return {"Spearman correlation": Spearman(self.said[:, 0], self.labels[:, 0])}

    def losses(self, temperature: float = 1.0) -> np.ndarray:
        """Squared error of each row, of the labels' variance. A temperature means nothing."""
        found: np.ndarray = (np.square(self.said - self.labels) / self.variance).mean(axis=1)
        return found

    def fitted_temperature(self) -> None:
        """None: a number has no temperature."""


def _mean_of(score: Callable[[np.ndarray], float], size: int) -> Callable[[np.ndarray], float]:
    """The mean of a score over every `size` figures."""
    return lambda means: float(np.mean([score(part) for part in means.reshape(-1, size)]))


@dataclass(frozen=True)
class NumberStatistics(EveryLogit):
    """Keeps every output: the `RowStatistics` of regressions."""

    def outputs(
        self, figures: np.ndarray, labels: np.ndarray, answers: Answers | None
    ) -> NumberOutputs:
        """All rows together."""
        return NumberOutputs(figures, labels, variance_of(labels))


def variance_of(labels: np.ndarray) -> np.ndarray:
    """The variance of each column of labels [rows, outputs]; 1 where they do not vary."""
    variance = labels.var(axis=0) if len(labels) else np.ones(labels.shape[1])
    return np.where(variance > 0, variance, 1.0)


def mean_numbers(members: Sequence[NumberOutputs]) -> NumberOutputs:
    """The mean of what the models say."""
    first = members[0]
    said = np.mean([member.said for member in members], axis=0)
    return NumberOutputs(said, first.labels, first.variance)
