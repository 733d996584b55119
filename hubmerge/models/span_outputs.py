"""What is kept of answers that are spans: the figures of first and last token, and exact matches.

First and last token are two choices among the tokens of a row, with figures as in
`token_outputs.py`. A row is matched exactly where the likeliest span, of those that do not end
before they begin, is one of its answers; its F1 is that of the tokens of this span and of the
answer that it overlaps best: as arXiv:1606.05250, section 6.1, but that tokens are compared where
they stand and not words of texts.
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
    """As `TokenOutputs`, of first and last token; float64 [rows] each, 1 for an exact match, and
    the F1 of tokens.
    """

    exact: np.ndarray
    overlap: np.ndarray

    def first(self, rows: int) -> SpanOutputs:
        """The first `rows` rows."""
        kept = (self.figures, self.labels, self.exact, self.overlap)
        return SpanOutputs(*(each[:rows] for each in kept))

    @property
    def metric(self) -> Metric:
        """The share of exact matches."""
        return Mean(self.exact > 0)

    @property
    def others(self) -> Mapping[str, Metric]:  # type: ignore[override]  # of each, not of all
        """The mean F1 of tokens."""
        return {"token F1": Mean(self.overlap)}


@dataclass(frozen=True)
class SpanStatistics:
    """Keeps a few figures of each row."""

    def width(self, config: PreTrainedConfig) -> int:
        """See `of_batch`."""
        return FIGURES + 2

    def rows_at_once(self, config: PreTrainedConfig, labels: Tensor) -> None:
        """All rows of a batch."""

    def ask(self, model: Any, inputs: Mapping[str, Tensor]) -> Any:
        """Logits [rows, 2, tokens], of the first and the last token of the answer."""
        said = model(**inputs)
        return SimpleNamespace(logits=torch.stack([said.start_logits, said.end_logits], 1))

    def of_batch(self, answer: Any, labels: Tensor) -> Tensor:
        """See `figures_of`; behind them, whether the likeliest span is one of the answers, and the
        F1 of its tokens.

        labels: int64 [rows, answers, 2].
        """
        first, last = answer.logits.float().log_softmax(-1).unbind(1)
        pairs = first.unsqueeze(2) + last.unsqueeze(1)
        pairs = pairs.masked_fill(torch.ones_like(pairs[0]).tril(-1).bool(), -torch.inf)
        best = pairs.flatten(1).argmax(1)
        size = first.shape[1]
        span = torch.stack([best // size, best % size], 1)
        sound = pairs.isfinite().any(2).any(1)
        exact = (labels == span.unsqueeze(1)).all(2).any(1) & sound
        scores = torch.stack([exact.double(), overlap(span, labels) * sound], 1)
        return torch.cat([figures_of(answer.logits, labels[:, 0]), scores.cpu()], 1)

    def outputs(
        self, figures: np.ndarray, labels: np.ndarray, answers: Answers | None
    ) -> SpanOutputs:
        """All rows together."""
        return SpanOutputs(figures[:, :FIGURES], labels[:, 0], *figures[:, FIGURES:].T)


def overlap(span: Tensor, answers: Tensor) -> Tensor:
    """F1 of the tokens of `span` and of the answer for which it is largest, float64 [rows].

    span: int64 [rows, 2], first and last token. answers: int64 [rows, answers, 2]; one that is not
    there lies before all tokens.
    """
    (first, last), (start, end) = span.unsqueeze(1).unbind(2), answers.unbind(2)
    shared = torch.minimum(last, end) - torch.maximum(first, start) + 1
    tokens = (last - first + 1) + (end - start + 1)
    return (2.0 * shared.clamp_min(0).double() / tokens).amax(1)
