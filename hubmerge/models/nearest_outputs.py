"""Whether a model finds nearest to a text what belongs to it, row by row, by cosines of embeddings.

Of triplets, one text that does not belong stands beside the one that does. Of pairs, all texts that
belong to other rows do, of up to `TOGETHER` rows. The loss of a row is the cross-entropy of its own
text among these (arXiv:1705.00652, section 4.4).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import torch
from scipy.special import logsumexp
from torch import Tensor

from hubmerge.models.metrics import Mean, Metric
from hubmerge.models.pooling import pooled
from hubmerge.models.similarity_outputs import SECOND

if TYPE_CHECKING:
    from transformers import PreTrainedConfig

    from hubmerge.models.label_outputs import Answers

THIRD = "third."
"""Begins the names of a third text's inputs."""

SCALE = 20.0
"""Of cosines, before the softmax. Source: sentence-transformers 5, MultipleNegativesRankingLoss."""

TOGETHER = 1000
"""Rows whose texts stand beside each other: as many as are measured by default."""


@dataclass(frozen=True)
class NearestOutputs(ABC):
    """What triplets and pairs share; figures: float64 [rows, width]."""

    calibrates = False
    calibration_error = None

    figures: np.ndarray
    labels: np.ndarray

    @abstractmethod
    def choices(self) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Some rows at a time: cosines [rows, texts], and which text is a row's own [rows]."""

    def __len__(self) -> int:
        return len(self.labels)

    def first(self, rows: int) -> Self:
        """The first `rows` rows, and their texts alone."""
        return replace(self, figures=self.figures[:rows], labels=self.labels[:rows])

    @property
    def finite(self) -> bool:
        """Whether every figure is a number."""
        return bool(np.isfinite(self.figures).all())

    @property
    def metric(self) -> Metric:
        """The share of rows whose own text is nearest; of several as near, each counts in part."""
        return Mean(self._shares)

    def losses(self, temperature: float = 1.0) -> np.ndarray:
        """Cross-entropy in nats; a temperature means nothing. NaN if not finite."""
        return self._losses

    def fitted_temperature(self) -> None:
        """None: the scale of cosines is no confidence."""
        return None

    @cached_property
    def _shares(self) -> np.ndarray:
        def shares(cosines: np.ndarray, own: np.ndarray) -> np.ndarray:
            best = cosines.max(1, keepdims=True)
            found: np.ndarray = (own >= best[:, 0]) / np.maximum((cosines == best).sum(1), 1)
            return found

        return self._each(shares)

    @cached_property
    def _losses(self) -> np.ndarray:
        return self._each(
            lambda cosines, own: logsumexp(SCALE * cosines, axis=1) - SCALE * own,
        )

    def _each(self, of: Any) -> np.ndarray:
        """`of` the cosines with all texts and with a row's own, for every row."""
        parts = [of(cosines, cosines[np.arange(len(own)), own]) for cosines, own in self.choices()]
        return np.concatenate(parts) if parts else np.zeros(0)


@dataclass(frozen=True)
class TripletOutputs(NearestOutputs):
    """figures: cosines of the first text with the second, its own, and the third, [rows, 2]."""

    @property
    def others(self) -> Mapping[str, Metric]:
        """None."""
        return {}

    def choices(self) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """See `NearestOutputs`."""
        yield self.figures, np.zeros(len(self), np.int64)


@dataclass(frozen=True)
class RetrievalOutputs(NearestOutputs):
    """figures: embeddings of length 1 of both texts of each row, side by side, [rows, 2 width]."""

    @property
    def others(self) -> Mapping[str, Metric]:
        """The mean reciprocal rank of a row's own text."""

        def reciprocals(cosines: np.ndarray, own: np.ndarray) -> np.ndarray:
            nearer = (cosines > own[:, None]).sum(1)
            as_near = (cosines == own[:, None]).sum(1)
            found: np.ndarray = np.isfinite(own) / (nearer + (as_near + 1) / 2)
            return found

        return {"mean reciprocal rank": Mean(self._each(reciprocals))}

    def choices(self) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """See `NearestOutputs`."""
        for start in range(0, len(self), TOGETHER):
            first, second = np.split(self.figures[start : start + TOGETHER], 2, axis=1)
            yield np.einsum("rd,sd->rs", first, second, optimize=True), np.arange(len(first))


@dataclass(frozen=True)
class TripletStatistics:
    """Keeps two cosines of each triplet. ways: how states of tokens are pooled."""

    ways: tuple[str, ...]

    def width(self, config: PreTrainedConfig) -> int:
        """Two cosines."""
        return 2

    def rows_at_once(self, config: PreTrainedConfig, labels: Tensor) -> None:
        """All rows of a batch."""

    def ask(self, model: Any, inputs: Mapping[str, Tensor]) -> tuple[Tensor, ...]:
        """The embeddings of all three texts of each row."""
        return embeddings(model, inputs, ("", SECOND, THIRD), self.ways)

    def of_batch(self, answer: Any, labels: Tensor) -> Tensor:
        """Cosines, float64 [rows, 2] on the CPU."""
        first, *others = (embedding.double() for embedding in answer)
        cosines = [torch.cosine_similarity(first, other, dim=-1) for other in others]
        return torch.stack(cosines, 1).cpu()

    def outputs(
        self, figures: np.ndarray, labels: np.ndarray, answers: Answers | None
    ) -> TripletOutputs:
        """All rows together."""
        return TripletOutputs(figures, labels)


@dataclass(frozen=True)
class RetrievalStatistics:
    """Keeps the embeddings of both texts of a pair. ways: how states of tokens are pooled."""

    ways: tuple[str, ...]

    def width(self, config: PreTrainedConfig) -> int:
        """Two embeddings."""
        return 2 * len(self.ways) * int(getattr(config, "hidden_size", 0) or 0)

    def rows_at_once(self, config: PreTrainedConfig, labels: Tensor) -> None:
        """All rows of a batch."""

    def ask(self, model: Any, inputs: Mapping[str, Tensor]) -> tuple[Tensor, ...]:
        """The embeddings of both texts of each row."""
        return embeddings(model, inputs, ("", SECOND), self.ways)

    def of_batch(self, answer: Any, labels: Tensor) -> Tensor:
        """Both embeddings, brought to length 1: float64 [rows, 2 width] on the CPU."""
        both = (torch.nn.functional.normalize(each.double(), dim=-1) for each in answer)
        return torch.cat([*both], -1).cpu()

    def outputs(
        self, figures: np.ndarray, labels: np.ndarray, answers: Answers | None
    ) -> RetrievalOutputs:
        """All rows together."""
        return RetrievalOutputs(figures, labels)


def embeddings(
    model: Any, inputs: Mapping[str, Tensor], prefixes: Sequence[str], ways: Sequence[str]
) -> tuple[Tensor, ...]:
    """One embedding of each text of a row. prefixes: what the names of its inputs begin with."""
    named = [prefix for prefix in prefixes if prefix]
    found = []
    for prefix in prefixes:
        own = {
            name.removeprefix(prefix): value
            for name, value in inputs.items()
            if (name.startswith(prefix) if prefix else not name.startswith(tuple(named)))
        }
        found.append(pooled(model(**own).last_hidden_state, ways))
    return tuple(found)


def mean_triplets(members: Sequence[TripletOutputs]) -> TripletOutputs:
    """The mean of the models' cosines."""
    figures = np.mean([member.figures for member in members], axis=0)
    return TripletOutputs(figures, members[0].labels)


def mean_retrieval(members: Sequence[RetrievalOutputs]) -> RetrievalOutputs:
    """The models' embeddings side by side, so long that cosines are the mean of theirs."""
    halves = [np.split(member.figures, 2, axis=1) for member in members]
    both = [np.concatenate([half[side] for half in halves], axis=1) for side in (0, 1)]
    figures = np.concatenate(both, axis=1) / len(members) ** 0.5
    return RetrievalOutputs(figures, members[0].labels)
