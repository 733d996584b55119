"""What a contender says about labelled rows, and what that is worth.

Everything that is scored, compared or drawn asks for no more than `Outputs` has. Of a classifier
all logits are kept (`ClassOutputs`); what is kept of a language model is in `tokens.py`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol, Self

import numpy as np

from hubmerge.evaluation.temperature import fit_temperature
from hubmerge.models.class_outputs import calibration_error, correct, cross_entropy


class Outputs(Protocol):
    """Rows in a fixed order; figures per row are float64 or bool [rows]."""

    @property
    def labels(self) -> np.ndarray:
        """What is right: the same for all contenders on the same rows."""
        ...

    @property
    def right(self) -> np.ndarray:
        """Whether a row was right, or the share of it that was."""
        ...

    @property
    def finite(self) -> bool:
        """Whether every logit is a number."""
        ...

    @property
    def calibration_error(self) -> float:
        """Expected calibration error; NaN if not finite."""
        ...

    def __len__(self) -> int: ...

    def first(self, rows: int) -> Self:
        """The first `rows` rows."""
        ...

    def losses(self, temperature: float = 1.0) -> np.ndarray:
        """Cross-entropy of each row in nats, after dividing the logits by `temperature`."""
        ...

    def fitted_temperature(self) -> float:
        """The temperature of the least mean loss; for finite outputs of one row or more."""
        ...


@dataclass(frozen=True)
class ClassOutputs:
    """A classifier's logits, float64 [rows, classes], and labels, int64 [rows], in their order."""

    logits: np.ndarray
    labels: np.ndarray

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
    def calibration_error(self) -> float:
        """Expected calibration error."""
        return calibration_error(self.logits, self.labels)

    def losses(self, temperature: float = 1.0) -> np.ndarray:
        """Cross-entropy of each row in nats."""
        return cross_entropy(self.logits, self.labels, temperature)

    def fitted_temperature(self) -> float:
        """See `fit_temperature`."""
        return fit_temperature(self.logits, self.labels)
