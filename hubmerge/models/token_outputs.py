"""What is kept of a language model's answers: figures of each row, not its logits.

A row is a text, or a block of tokens, each of which but the first is to be predicted from those
before it. Figures of a row weigh as much as it has tokens to predict, so that their mean over rows
is the mean over tokens.
Logits over a vocabulary would not fit into memory, so of every row there are kept its mean loss at
each of a few temperatures, the share of tokens that were the most likely one, and how far
confidence and accuracy are apart in every bin of confidence.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from hubmerge.models.class_outputs import BINS
from hubmerge.models.metrics import Mean, Metric
from hubmerge.models.outputs import AskedOnce

if TYPE_CHECKING:
    from transformers import PreTrainedConfig

    from hubmerge.models.label_outputs import Answers

STEPS = 8
"""Temperatures to choose from within a factor of 2: one is at most 4.5% from the best."""
TEMPERATURES = tuple(2 ** (step / STEPS) for step in range(-2 * STEPS, 2 * STEPS + 1))
"""From 1/4 to 4; the middle one is 1."""
FIGURES = len(TEMPERATURES) + 1 + BINS
IGNORED = -100
"""The label of a token that nothing is predicted at."""
LOGITS_AT_ONCE = 2**25
"""Logits of one pass: 128 MiB. Decides which rows are run together, so it is no setting."""


@dataclass(frozen=True)
class TokenOutputs:
    """Figures of each row, float64 [rows, figures], see `figures_of`; labels [rows, tokens]."""

    figures: np.ndarray
    labels: np.ndarray

    calibrates = True
    others: ClassVar[Mapping[str, Metric]] = {}

    def __len__(self) -> int:
        return len(self.labels)

    def first(self, rows: int) -> TokenOutputs:
        """The first `rows` rows."""
        return TokenOutputs(self.figures[:rows], self.labels[:rows])

    @property
    def finite(self) -> bool:
        """Whether every loss is a number."""
        return bool(np.isfinite(self.figures).all())

    @cached_property
    def weighted(self) -> np.ndarray:
        """The figures times what each row weighs: its tokens over the mean of all rows'."""
        count = (self.labels != IGNORED).sum(axis=1, keepdims=True)
        if not len(count) or (count == count[0]).all():
            return self.figures
        return self.figures * (count / count.mean())

    @property
    def right(self) -> np.ndarray:
        """Share of the tokens that were the most likely one, weighted, [rows]."""
        return self.weighted[:, len(TEMPERATURES)]

    @property
    def metric(self) -> Metric:
        """Accuracy: the share of what is right."""
        return Mean(self.right)

    @property
    def calibration_error(self) -> float:
        """Expected calibration error over all tokens."""
        gaps = self.weighted[:, len(TEMPERATURES) + 1 :]
        return float(np.abs(gaps.mean(axis=0)).sum())

    def losses(self, temperature: float = 1.0) -> np.ndarray:
        """Mean cross-entropy of a row's tokens in nats, weighted, at one of `TEMPERATURES`."""
        return self.weighted[:, TEMPERATURES.index(temperature)]

    def fitted_temperature(self) -> float:
        """The one of `TEMPERATURES` with the least mean loss; of equals, the one nearest to 1."""
        losses = self.weighted[:, : len(TEMPERATURES)].mean(axis=0)
        return min(zip(TEMPERATURES, losses, strict=True), key=lambda t: (t[1], abs(t[0] - 1)))[0]


@dataclass(frozen=True)
class TokenStatistics(AskedOnce):
    """Keeps a few figures of each block of tokens: the `RowStatistics` of language models."""

    def width(self, config: PreTrainedConfig) -> int:
        """See `figures_of`."""
        return FIGURES

    def rows_at_once(self, config: PreTrainedConfig, labels: Tensor) -> int:
        """As many as `LOGITS_AT_ONCE` allows."""
        return rows_at_once(labels.shape[1], config.get_text_config().vocab_size)

    def of_batch(self, answer: Any, labels: Tensor) -> Tensor:
        """See `figures_of`."""
        return figures_of(answer.logits, labels)

    def outputs(
        self, figures: np.ndarray, labels: np.ndarray, answers: Answers | None
    ) -> TokenOutputs:
        """All blocks together."""
        return TokenOutputs(figures, labels)


def rows_at_once(tokens: int, vocabulary: int) -> int:
    """Rows whose logits are held together."""
    return max(1, LOGITS_AT_ONCE // (tokens * vocabulary))


def figures_of(logits: Tensor, labels: Tensor) -> Tensor:
    """Figures of rows of logits [rows, tokens, vocabulary]: float64 [rows, figures] on the CPU.

    labels: [rows, tokens], the token that follows at every place, or `IGNORED`.
    Returns: mean loss at each of `TEMPERATURES`; share that was right; and for every bin of
    confidence the sum of right minus confidence, as a share of the row's tokens.
    """
    asked = labels != IGNORED
    said = logits[asked].float()
    wanted, count = labels[asked], asked.sum(1, keepdim=True)
    chosen = said.gather(1, wanted.unsqueeze(1)).squeeze(1)
    columns = [(said / t).logsumexp(1) - chosen / t for t in TEMPERATURES]
    right = (said.argmax(1) == wanted) & ~said.isnan().any(1)
    confidence = (said.amax(1) - said.logsumexp(1)).exp()
    bins = (confidence.nan_to_num() * BINS).ceil().long().sub(1).clamp(0, BINS - 1)
    gaps = F.one_hot(bins, BINS) * (right.float() - confidence).unsqueeze(1)
    figures = torch.cat([torch.stack([*columns, right.float()], 1), gaps], 1)
    # Laid out by row again, so that the order of the sum does not depend on the other rows.
    placed = figures.new_zeros((*labels.shape, figures.shape[1]), dtype=torch.float64)
    placed[asked] = figures.double()
    return (placed.sum(1) / count.clamp(min=1)).cpu()
