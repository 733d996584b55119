"""What is kept of answers that are spans: the figures of first and last token, and exact matches.

First and last token are two choices among the tokens of a row, with figures as in
`token_outputs.py`. A row is matched exactly where the likeliest span, of those that do not end
before they begin, is one of its answers: as arXiv:1606.05250, section 6.1, but that tokens are
compared and not texts.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from hubmerge.models.metrics import Mean, Metric
from hubmerge.models.token_outputs import FIGURES, TokenOutputs, figures_of

if TYPE_CHECKING:
    from transformers import PreTrainedConfig

    from hubmerge.models.label_outputs import Answers


@dataclass(frozen=True)
class SpanOutputs(TokenOutputs):
    """As `TokenOutputs`, of first and last token; exact float64 [rows], 1 for an exact match."""

    exact: np.ndarray

    def first(self, rows: int) -> SpanOutputs:
        """The first `rows` rows."""
        return SpanOutputs(self.figures[:rows], self.labels[:rows], self.exact[:rows])

    @property
    def metric(self) -> Metric:
        """The share of exact matches."""
        return Mean(self.exact > 0)


@dataclass(frozen=True)
class SpanStatistics:
    """Keeps a few figures of each row."""

    def width(self, config: PreTrainedConfig) -> int:
        """See `of_batch`."""
        return FIGURES + 1

    def rows_at_once(self, config: PreTrainedConfig, labels: Tensor) -> None:
        """All rows of a batch."""

    def ask(self, model: Any, inputs: Mapping[str, Tensor]) -> Any:
        """Logits [rows, 2, tokens], of the first and the last token of the answer."""
        said = model(**inputs)
        return SimpleNamespace(logits=torch.stack([said.start_logits, said.end_logits], 1))

    def of_batch(self, answer: Any, labels: Tensor) -> Tensor:
        """See `figures_of`; behind them, whether the likeliest span is one of the answers.

        labels: int64 [rows, answers, 2].
        """
        first, last = answer.logits.float().log_softmax(-1).unbind(1)
        pairs = first.unsqueeze(2) + last.unsqueeze(1)
        pairs = pairs.masked_fill(torch.ones_like(pairs[0]).tril(-1).bool(), -torch.inf)
        best = pairs.flatten(1).argmax(1)
        size = first.shape[1]
        span = torch.stack([best // size, best % size], 1)
        exact = (labels == span.unsqueeze(1)).all(2).any(1) & pairs.isfinite().any(2).any(1)
        figures = figures_of(answer.logits, labels[:, 0])
        return torch.cat([figures, exact.double().unsqueeze(1).cpu()], 1)

    def outputs(
        self, figures: np.ndarray, labels: np.ndarray, answers: Answers | None
    ) -> SpanOutputs:
        """All rows together."""
        return SpanOutputs(figures[:, :FIGURES], labels[:, 0], figures[:, FIGURES])
