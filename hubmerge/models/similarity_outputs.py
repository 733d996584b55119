"""How alike a model finds two texts, row by row: the cosine of their embeddings, against a score.

What counts is the order of the pairs, not the scale of the cosines. The loss of a row is the
squared difference of its two ranks, so scaled that 1 minus its mean is Spearman's correlation
where no ranks are shared (C. Spearman 1904).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from scipy.stats import rankdata
from torch import Tensor

from hubmerge.models.metrics import Metric, Spearman, pearson
from hubmerge.models.pooling import pooled

if TYPE_CHECKING:
    from transformers import PreTrainedConfig

    from hubmerge.models.label_outputs import Answers

SECOND = "second."
"""Begins the names of a second text's inputs."""


@dataclass(frozen=True)
class SimilarityOutputs:
    """Cosines and scores, float64 [rows] each."""

    cosines: np.ndarray
    labels: np.ndarray

    calibrates = False
    calibration_error = None

    def __len__(self) -> int:
        return len(self.labels)

    def first(self, rows: int) -> SimilarityOutputs:
        """The first `rows` rows."""
        return SimilarityOutputs(self.cosines[:rows], self.labels[:rows])

    @property
    def finite(self) -> bool:
        """Whether every cosine is a number."""
        return bool(np.isfinite(self.cosines).all())

    @property
    def metric(self) -> Metric:
        """Spearman's correlation of cosines and scores."""
        return Spearman(self.cosines, self.labels)

    @property
    def others(self) -> Mapping[str, Metric]:
        """Pearson's correlation."""
        return {"Pearson correlation": pearson(self.cosines, self.labels)}

    def losses(self, temperature: float = 1.0) -> np.ndarray:
        """Squared difference of ranks, scaled; a temperature means nothing. NaN if not finite."""
        rows = len(self)
        if not self.finite or rows < 2:
            return np.full(rows, np.nan if rows > 1 else 0.0)
        apart = rankdata(self.cosines) - rankdata(self.labels)
        found: np.ndarray = 6 * np.square(apart) / (rows**2 - 1)
        return found

    def fitted_temperature(self) -> None:
        """None: an order has no temperature."""


@dataclass(frozen=True)
class SimilarityStatistics:
    """Keeps the cosine of each pair of texts. ways: how states of tokens are pooled."""

    ways: tuple[str, ...]

    def width(self, config: PreTrainedConfig) -> int:
        """One cosine."""
        return 1

    def rows_at_once(self, config: PreTrainedConfig, labels: Tensor) -> None:
        """All rows of a batch."""

    def ask(self, model: Any, inputs: Mapping[str, Tensor]) -> tuple[Tensor, Tensor]:
        """The embeddings of both texts of each row."""
        second = {n.removeprefix(SECOND): v for n, v in inputs.items() if n.startswith(SECOND)}
        first = {n: v for n, v in inputs.items() if not n.startswith(SECOND)}
        return self._embedded(model, first), self._embedded(model, second)

    def _embedded(self, model: Any, inputs: Mapping[str, Tensor]) -> Tensor:
        return pooled(model(**inputs).last_hidden_state, self.ways)

    def of_batch(self, answer: Any, labels: Tensor) -> Tensor:
        """Cosines, float64 [rows, 1] on the CPU."""
        first, second = (embedding.double() for embedding in answer)
        return torch.cosine_similarity(first, second, dim=-1).unsqueeze(1).cpu()

    def outputs(
        self, figures: np.ndarray, labels: np.ndarray, answers: Answers | None
    ) -> SimilarityOutputs:
        """All rows together."""
        return SimilarityOutputs(figures[:, 0], labels[:, 0])


def mean_similarity(members: Sequence[SimilarityOutputs]) -> SimilarityOutputs:
    """The mean of the models' cosines."""
    cosines = np.mean([member.cosines for member in members], axis=0)
    return SimilarityOutputs(cosines, members[0].labels)
