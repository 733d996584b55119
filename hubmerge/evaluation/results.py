"""What a measurement says: plain typed numbers, the same in memory and in report.json.

Losses are mean cross-entropies in nats, or what the task has instead. "Calibrated" means after
dividing the logits by one temperature per contender, fitted on validation rows. A value that was
not measured is None.
"""

from __future__ import annotations

import math

from pydantic import BaseModel, ConfigDict


class Result(BaseModel):
    """Base: immutable, no unknown fields."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Estimate(Result):
    """A score with its bootstrap interval: two one-sided 95% bounds, None of too few rows."""

    value: float
    low: float | None = None
    high: float | None = None


class Score(Result):
    """One contender on the evaluation rows."""

    loss: float | None
    """None where rows have none."""
    accuracy: float
    """The task's main score: the share that is right, or what the task has instead."""
    accuracy_low: float | None = None
    accuracy_high: float | None = None
    """Its bootstrap interval, where rows have no loss: two one-sided 95% bounds."""
    calibration_error: float | None
    """Expected calibration error, 15 equal-width bins (arXiv:1706.04599, section 2); None where
    nothing can be calibrated."""
    temperature: float | None = None
    calibrated_loss: float | None = None
    scores: dict[str, Estimate] = {}
    """Further scores of the task, by what they are called."""
    n: int

    @property
    def judged_loss(self) -> float:
        """In nats, calibrated where that could be fitted; infinite where it is no number."""
        loss = self.loss if self.calibrated_loss is None else self.calibrated_loss
        return loss if loss is not None and math.isfinite(loss) else math.inf


class CurvePoint(Result):
    """One point (1-lambda) A + lambda B of a path; excess is over the line between the ends.

    Of more than two parents, B is their weighted mean, and its end of the line the weighted mean of
    their own losses.
    """

    lam: float
    loss: float
    accuracy: float
    excess: float
    calibrated_loss: float | None = None
    calibrated_excess: float | None = None


class Barrier(Result):
    """Largest excess over the interior points, with a paired bootstrap interval.

    In nats; of an error barrier in shares of rows.
    """

    value: float
    at: float
    """The lambda at which it is reached."""
    low: float | None = None
    high: float | None = None
    """Ends of the two-sided 90% bootstrap interval: each a one-sided 95% bound. None of too few
    rows."""
    settled: bool | None = None
    """Whether the path was looked at so closely there that nothing higher lies between its points;
    None of what is no path."""


class Curve(Result):
    """A path between two untouched parents (its ends), repaired in between.

    Of more parents: from the first, untouched, to the weighted mean of all, repaired.
    """

    points: list[CurvePoint]
    barrier: Barrier
    calibrated_barrier: Barrier | None = None
    error_barrier: Barrier | None = None
    """By how much the accuracy falls below the line between the ends' own, at most."""
    n: int


class Comparison(Result):
    """The merge minus one other contender, paired row by row; one-sided 95% bounds, None of too few
    rows. The calibrated loss is the loss itself where nothing can be calibrated."""

    other: str
    accuracy_difference: float
    accuracy_low: float | None = None
    accuracy_high: float | None = None
    calibrated_loss_difference: float | None = None
    calibrated_loss_low: float | None = None
    calibrated_loss_high: float | None = None
    n: int
