"""What is kept of a model's answers to labelled rows, and what can be asked of it.

Everything that is scored, compared or drawn asks for no more than `Outputs` has. How an answer
becomes figures of rows says the task, by its `RowStatistics`: `class_outputs.py` keeps all logits
over classes, `label_set_outputs.py` those of labels that may be right together,
`number_outputs.py` numbers, `token_outputs.py` a few figures of each block of tokens.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Protocol, Self

import numpy as np

if TYPE_CHECKING:
    from torch import Tensor
    from transformers import PreTrainedConfig

    from hubmerge.models.label_outputs import Answers
    from hubmerge.models.metrics import Metric


class Outputs(Protocol):
    """Rows in a fixed order; figures per row are float64 or bool [rows]."""

    @property
    def labels(self) -> np.ndarray:
        """What is right: the same for all contenders on the same rows."""
        ...

    @property
    def metric(self) -> Metric:
        """The main score: of classes and tokens the share that is right."""
        ...

    @property
    def others(self) -> Mapping[str, Metric]:
        """Further scores, by what they are called."""
        ...

    @property
    def finite(self) -> bool:
        """Whether every logit is a number."""
        ...

    @property
    def calibrates(self) -> bool:
        """Whether a temperature means anything, and confidence can be compared with the score."""
        ...

    @property
    def calibration_error(self) -> float | None:
        """Expected calibration error; NaN if not finite, None where there is none."""
        ...

    def __len__(self) -> int: ...

    def first(self, rows: int) -> Self:
        """The first `rows` rows."""
        ...

    def losses(self, temperature: float = 1.0) -> np.ndarray:
        """Loss of each row, after dividing the logits by `temperature`. In nats, of most tasks."""
        ...

    def fitted_temperature(self) -> float | None:
        """The temperature of the least mean loss; for finite outputs of one row or more.

        None where a temperature means nothing.
        """
        ...


class AskedOnce:
    """What is kept of models that say everything in one forward."""

    def ask(self, model: Any, inputs: Mapping[str, Tensor]) -> Any:
        """What the forward returns."""
        return model(**inputs)


class EveryLogit(AskedOnce):
    """What is kept of models with one logit for each of their labels: all of them."""

    def width(self, config: PreTrainedConfig) -> int:
        """One figure for each label."""
        return config.num_labels or 0

    def rows_at_once(self, config: PreTrainedConfig, labels: Tensor) -> None:
        """All rows of a batch."""

    def of_batch(self, answer: Any, labels: Tensor) -> Tensor:
        """The logits, float64 [rows, labels] on the CPU."""
        return answer.logits.double().cpu()


class RowStatistics(Protocol):
    """How answers of a model become figures of rows, batch by batch."""

    def width(self, config: PreTrainedConfig) -> int:
        """Figures of a row."""
        ...

    def rows_at_once(self, config: PreTrainedConfig, labels: Tensor) -> int | None:
        """Rows of a batch whose answers are held together; None for all of them."""
        ...

    def ask(self, model: Any, inputs: Mapping[str, Tensor]) -> Any:
        """What the model says of rows as it takes them, which lie where it lies."""
        ...

    def of_batch(self, answer: Any, labels: Tensor) -> Tensor:
        """Figures float64 [rows, width] on the CPU, of what `ask` returned."""
        ...

    def outputs(self, figures: np.ndarray, labels: np.ndarray, answers: Answers | None) -> Outputs:
        """All rows together. answers: how outputs are read as labels, where they differ."""
        ...
