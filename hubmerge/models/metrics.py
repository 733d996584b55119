"""Scores of rows that a bootstrap recomputes: from how often each row was drawn.

A mean over rows is one of them. F1 and correlations are none, but follow from sums over rows or
from ranks, and are computed anew for every sample of rows.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

import numpy as np


class Metric(Protocol):
    """A score; more is better, and 1 is perfect."""

    @property
    def rows(self) -> np.ndarray | None:
        """The score of each row, bool or float64 [rows], whose mean it is; None where it is no
        mean."""
        ...

    def value(self, counts: np.ndarray | None = None) -> float:
        """Over all rows, or over a sample in which row i is `counts[i]` times."""
        ...


@dataclass(frozen=True)
class Mean:
    """The mean of what each row scores, bool or float64 [rows]."""

    rows: np.ndarray

    def value(self, counts: np.ndarray | None = None) -> float:
        """See `Metric`."""
        if counts is None:
            return float(self.rows.mean())
        return float(np.einsum("r,r->", self.rows, counts) / counts.sum())


@dataclass(frozen=True)
class OfSums:
    """What follows from sums over rows of some figures, float64 [rows, figures]."""

    figures: np.ndarray
    of: Callable[[np.ndarray], float]
    """Means over rows [figures] -> score."""
    rows: None = None

    def value(self, counts: np.ndarray | None = None) -> float:
        """See `Metric`."""
        if counts is None:
            return self.of(self.figures.mean(axis=0))
        return self.of(np.einsum("rf,r->f", self.figures, counts / counts.sum()))


@dataclass(frozen=True)
class Spearman:
    """Spearman's rank correlation of two columns, float64 [rows] each; ties share their mean rank.

    Source: C. Spearman, "The proof and measurement of association between two things", American
    Journal of Psychology 15 (1904).
    """

    said: np.ndarray
    wanted: np.ndarray
    rows: None = None

    def value(self, counts: np.ndarray | None = None) -> float:
        """See `Metric`."""
        if not np.isfinite(self.said).all():
            return 0.0
        weights = np.ones(len(self.said)) if counts is None else counts
        x, y = (ranks.of(weights) for ranks in self._ranks)
        means = [np.einsum("r,r->", weights, v) for v in (x, y, x * x, y * y, x * y)]
        return pearson_of(np.asarray(means) / weights.sum())

    @cached_property
    def _ranks(self) -> tuple[_Ranks, _Ranks]:
        return _Ranks.made(self.said), _Ranks.made(self.wanted)


@dataclass(frozen=True)
class _Ranks:
    """Values of a column, so prepared that ranks in any sample follow from its counts."""

    order: np.ndarray
    """Row numbers by ascending value."""
    starts: np.ndarray
    """Where in that order each distinct value begins."""
    group: np.ndarray
    """Row -> which distinct value it has."""

    @classmethod
    def made(cls, values: np.ndarray) -> _Ranks:
        order = np.argsort(values, kind="stable")
        ordered = values[order]
        new = np.append(True, ordered[1:] != ordered[:-1])
        group = np.empty(len(values), np.int64)
        group[order] = np.cumsum(new) - 1
        return cls(order, np.flatnonzero(new), group)

    def of(self, counts: np.ndarray) -> np.ndarray:
        held = np.add.reduceat(counts[self.order], self.starts)
        ranks = np.cumsum(held) - held + (held + 1) / 2
        found: np.ndarray = ranks[self.group]
        return found


def pearson_of(means: np.ndarray) -> float:
    """Correlation from the means of x, y, x squared, y squared and x y, [5]; 0 where one of both
    does not vary, or is no number.
    """
    x, y, xx, yy, xy = means
    spread = (xx - x * x) * (yy - y * y)
    return float((xy - x * y) / np.sqrt(spread)) if spread > 0 else 0.0


def pearson(said: np.ndarray, wanted: np.ndarray) -> OfSums:
    """Pearson's correlation of two columns, float64 [rows] each.

    Means are taken about the columns' own, so that nothing cancels.
    """
    x, y = said - said.mean(), wanted - wanted.mean()
    return OfSums(np.stack([x, y, x * x, y * y, x * y], axis=1), pearson_of)


def f1_of(means: np.ndarray) -> float:
    """F1 from means of what was found and right, of what was found, and of what is right, [3].

    1 where there was nothing to find and nothing was found. Source: C. van Rijsbergen,
    "Information Retrieval" (1979), chapter 7.
    """
    hits, found, right = means
    return float(2 * hits / (found + right)) if found + right > 0 else 1.0
