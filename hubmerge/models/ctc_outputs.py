"""What is kept of a model that says a token, or nothing, for every piece of a recording.

The loss of a row is that of connectionist temporal classification (A. Graves et al., ICML 2006) per
token of what is said. Its errors are the fewest tokens to be inserted, left out or replaced
(V. Levenshtein 1966) in what the model says: its likeliest tokens, without blanks and repeated
ones.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from hubmerge.models.metrics import Metric, OfSums
from hubmerge.models.outputs import AskedOnce
from hubmerge.models.token_outputs import IGNORED

if TYPE_CHECKING:
    from transformers import PreTrainedConfig

    from hubmerge.models.label_outputs import Answers


@dataclass(frozen=True)
class CtcOutputs:
    """Loss per token and errors of each row, float64 [rows] each; labels int64 [rows, tokens]."""

    loss: np.ndarray
    errors: np.ndarray
    labels: np.ndarray

    calibrates = False
    calibration_error = None
    others: ClassVar[Mapping[str, Metric]] = {}

    def __len__(self) -> int:
        return len(self.labels)

    def first(self, rows: int) -> CtcOutputs:
        """The first `rows` rows."""
        return CtcOutputs(self.loss[:rows], self.errors[:rows], self.labels[:rows])

    @property
    def finite(self) -> bool:
        """Whether every loss is a number."""
        return bool(np.isfinite(self.loss).all())

    @property
    def metric(self) -> Metric:
        """1 minus the token error rate, over all rows together; below 0 where errors are more."""
        return OfSums(np.stack([self.errors, self._tokens], 1), _right)

    def losses(self, temperature: float = 1.0) -> np.ndarray:
        """Loss per token, weighted by the row's tokens over the mean of all rows'. A temperature
        means nothing."""
        tokens = self._tokens
        return self.loss * (tokens / tokens.mean()) if len(tokens) else self.loss

    def fitted_temperature(self) -> None:
        """None: one temperature for blanks and tokens means nothing."""

    @property
    def _tokens(self) -> np.ndarray:
        return (self.labels != IGNORED).sum(axis=1).astype(np.float64)


def _right(means: np.ndarray) -> float:
    errors, tokens = means
    return float(1 - errors / tokens) if tokens > 0 else 1.0


@dataclass(frozen=True)
class CtcStatistics(AskedOnce):
    """Keeps loss and errors of each row. blank: the token that stands for nothing."""

    blank: int

    def width(self, config: PreTrainedConfig) -> int:
        """Loss and errors."""
        return 2

    def rows_at_once(self, config: PreTrainedConfig, labels: Tensor) -> None:
        """All rows of a batch."""

    def of_batch(self, answer: Any, labels: Tensor) -> Tensor:
        """Loss per token and errors, float64 [rows, 2] on the CPU.

        A text of more tokens than the recording has pieces cannot be said: its loss is infinite.
        """
        said = answer.logits.float().log_softmax(-1).cpu()
        wanted = [row[row != IGNORED] for row in labels.cpu()]
        lengths = torch.tensor([len(row) for row in wanted])
        frames = torch.full((len(said),), said.shape[1])
        loss = F.ctc_loss(
            said.transpose(0, 1),
            torch.cat(wanted) if len(wanted) else labels.flatten().cpu(),
            frames,
            lengths,
            blank=self.blank,
            reduction="none",
        )
        errors = [
            distance(self.collapsed(row), right.tolist())
            for row, right in zip(said.argmax(-1).tolist(), wanted, strict=True)
        ]
        per_token = loss.double() / lengths.clamp(min=1)
        return torch.stack([per_token, torch.tensor(errors, dtype=torch.float64)], 1)

    def collapsed(self, tokens: Sequence[int]) -> list[int]:
        """Tokens without repeated ones and blanks."""
        before = [None, *tokens[:-1]]
        pairs = zip(tokens, before, strict=True)
        return [now for now, last in pairs if now not in (last, self.blank)]

    def outputs(
        self, figures: np.ndarray, labels: np.ndarray, answers: Answers | None
    ) -> CtcOutputs:
        """All rows together."""
        return CtcOutputs(figures[:, 0], figures[:, 1], labels)


def distance(said: Sequence[int], wanted: Sequence[int]) -> int:
    """The fewest tokens to insert, leave out or replace to make one sequence of the other."""
    steps, right = np.arange(len(wanted) + 1), np.asarray(wanted, np.int64)
    here = steps
    for token in said:
        best = np.append(here[0] + 1, np.minimum(here[1:] + 1, here[:-1] + (right != token)))
        here = np.minimum.accumulate(best - steps) + steps
    return int(here[-1])
