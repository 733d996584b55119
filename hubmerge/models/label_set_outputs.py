"""Outputs of which any number may be right at once: one logit for each label, read by a sigmoid.

Arrays: logits float64 [rows, labels]; labels int64 [rows, labels], 1 where a label is right.
Losses are in nats, the mean over labels, as transformers has them for "multi_label_classification".
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from typing import TYPE_CHECKING

import numpy as np
from scipy.special import log_expit

from hubmerge.models.class_outputs import calibration_error
from hubmerge.models.metrics import Mean, Metric, OfSums, f1_of
from hubmerge.models.outputs import EveryLogit
from hubmerge.models.temperature import fit_temperature

if TYPE_CHECKING:
    from hubmerge.models.label_outputs import Answers


@dataclass(frozen=True)
class LabelSetOutputs:
    """Logits and what is right, [rows, labels] each."""

    logits: np.ndarray
    labels: np.ndarray

    calibrates = True

    def __len__(self) -> int:
        return len(self.labels)

    def first(self, rows: int) -> LabelSetOutputs:
        """The first `rows` rows."""
        return LabelSetOutputs(self.logits[:rows], self.labels[:rows])

    @property
    def finite(self) -> bool:
        """Whether every logit is a number."""
        return bool(np.isfinite(self.logits).all())

    @property
    def found(self) -> np.ndarray:
        """Which labels are likelier than not, bool [rows, labels]."""
        return self.logits > 0

    @property
    def metric(self) -> Metric:
        """Exact match: the share of rows of which every label is right."""
        numbers = ~np.isnan(self.logits).any(axis=1)
        return Mean((self.found == self.labels).all(axis=1) & numbers)

    @property
    def others(self) -> Mapping[str, Metric]:
        """F1 over all labels of all rows together."""
        hits = (self.found & (self.labels == 1)).sum(axis=1)
        counts = np.stack([hits, self.found.sum(axis=1), self.labels.sum(axis=1)], axis=1)
        return {"micro-F1": OfSums(counts.astype(np.float64), f1_of)}

    @property
    def calibration_error(self) -> float:
        """Expected calibration error over all decisions, of which each is right or wrong."""
        return calibration_error(*self._decisions)

    def losses(self, temperature: float = 1.0) -> np.ndarray:
        """Binary cross-entropy of each row, the mean over its labels."""
        scaled = self.logits / temperature
        signed: np.ndarray = log_expit(np.where(self.labels == 1, scaled, -scaled))
        return -signed.mean(axis=1)

    def fitted_temperature(self) -> float:
        """See `fit_temperature`: of all decisions, each between two classes."""
        return fit_temperature(*self._decisions)

    @property
    def _decisions(self) -> tuple[np.ndarray, np.ndarray]:
        """Every label of every row as a choice between no and yes: logits [n, 2], labels [n]."""
        yes = self.logits.ravel()
        return np.stack([np.zeros_like(yes), yes], axis=1), self.labels.ravel()


@dataclass(frozen=True)
class LabelSetStatistics(EveryLogit):
    """Keeps every logit: the `RowStatistics` of classifiers with several labels a row."""

    def outputs(
        self, figures: np.ndarray, labels: np.ndarray, answers: Answers | None
    ) -> LabelSetOutputs:
        """All rows together."""
        return LabelSetOutputs(figures, labels)


def mean_label_set(members: Sequence[LabelSetOutputs]) -> LabelSetOutputs:
    """The models' mean probability of every label, as logits."""
    yes = reduce(np.logaddexp, [log_expit(member.logits) for member in members])
    no = reduce(np.logaddexp, [log_expit(-member.logits) for member in members])
    return LabelSetOutputs(yes - no, members[0].labels)
