"""What is kept of a model's answers where each token has a tag, and entities are made of tags.

The figures are those of `token_outputs.py`, and of each row how many entities were found, how many
there are, and how many of these were found with both their ends and their type.
Source: seqeval 1.2.2, `metrics.sequence_labeling.get_entities`, default mode, which is that of
conlleval (E. Tjong Kim Sang, S. Buchholz, CoNLL-2000).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from hubmerge.models.metrics import Metric, OfSums, f1_of
from hubmerge.models.outputs import AskedOnce
from hubmerge.models.token_outputs import (
    FIGURES,
    IGNORED,
    TokenOutputs,
    figures_of,
    rows_at_once,
)

if TYPE_CHECKING:
    from transformers import PreTrainedConfig

    from hubmerge.models.label_outputs import Answers

COUNTS = 3
"""Entities found and right, found, and there."""

SCHEME = re.compile(r"O|[BIES]-.+", re.DOTALL)
"""Tags that entities are made of: outside, or beginning, inside, end, single, and a type."""

Entity = tuple[str, int, int]
"""Type, first word, last word."""


@dataclass(frozen=True)
class TagOutputs(TokenOutputs):
    """As `TokenOutputs`, with counts of entities; counts float64 [rows, 3], None without any."""

    counts: np.ndarray | None = None

    def first(self, rows: int) -> TagOutputs:
        """The first `rows` rows."""
        counts = None if self.counts is None else self.counts[:rows]
        return TagOutputs(self.figures[:rows], self.labels[:rows], counts)

    @property
    def others(self) -> Mapping[str, Metric]:  # type: ignore[override]  # of each, not of all
        """F1 of entities, over all rows together."""
        return {} if self.counts is None else {"entity F1": OfSums(self.counts, f1_of)}


@dataclass(frozen=True)
class TagStatistics(AskedOnce):
    """Keeps a few figures of each row of tags. names: of the tags, in the order of the outputs."""

    names: tuple[str, ...]

    @property
    def has_entities(self) -> bool:
        """Whether entities are made of these tags."""
        return "O" in self.names and all(SCHEME.fullmatch(name) for name in self.names)

    def width(self, config: PreTrainedConfig) -> int:
        """See `of_batch`."""
        return FIGURES + COUNTS

    def rows_at_once(self, config: PreTrainedConfig, labels: Tensor) -> int:
        """As many as `LOGITS_AT_ONCE` allows."""
        return rows_at_once(labels.shape[1], len(self.names))

    def of_batch(self, answer: Any, labels: Tensor) -> Tensor:
        """See `figures_of`; behind them, the counts of entities."""
        counts = torch.zeros(len(labels), COUNTS, dtype=torch.float64)
        if self.has_entities:
            said, wanted = answer.logits.argmax(-1).tolist(), labels.tolist()
            for row in range(len(wanted)):
                asked = [k for k, tag in enumerate(wanted[row]) if tag != IGNORED]
                found = {*entities([self.names[said[row][k]] for k in asked])}
                there = {*entities([self.names[wanted[row][k]] for k in asked])}
                counts[row] = torch.tensor([len(found & there), len(found), len(there)])
        return torch.cat([figures_of(answer.logits, labels), counts], 1)

    def outputs(
        self, figures: np.ndarray, labels: np.ndarray, answers: Answers | None
    ) -> TagOutputs:
        """All rows together."""
        counts = figures[:, FIGURES:] if self.has_entities else None
        return TagOutputs(figures[:, :FIGURES], labels, counts)


def entities(tags: Sequence[str]) -> Iterator[Entity]:
    """The entities of a row of tags such as "B-PER", "I-PER", "O".

    An entity begins with B, with S, with another type, and with I or E behind what ends one.
    """
    before, kind, first = "O", "", 0
    for place, tag in enumerate([*tags, "O"]):
        now, _, type_ = tag.partition("-")
        if before != "O" and (before in "ES" or now in "BSO" or type_ != kind):
            yield kind, first, place - 1
        if now != "O" and (now in "BS" or before in "ESO" or type_ != kind):
            first = place
        before, kind = now, type_
