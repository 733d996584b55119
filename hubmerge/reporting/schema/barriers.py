"""What a report says of the paths between the parents: barriers, and the curves they rest on."""

from __future__ import annotations

from typing import Literal, Self

from hubmerge.evaluation.results import Curve
from hubmerge.reporting.schema.base import Count, ReportPart, RowSetRecord, is_finite


class OnTraining(ReportPart):
    """The same points of the same paths on training rows, which count for nothing in the verdict.

    used: those of the rows that are calibration rows as well, or were learned from.
    """

    rows: RowSetRecord
    used: Count
    naive: Curve | None = None
    matched: Curve | None = None

    @classmethod
    def of(
        cls, rows: RowSetRecord, used: int, *, naive: Curve | None, matched: Curve | None
    ) -> OnTraining:
        """Of two curves; one that holds a number that is not finite counts as none."""
        return cls(rows=rows, used=used, naive=_sound(naive), matched=_sound(matched))


class BarrierDetail(ReportPart):
    """The whole curves, calibrated too, with the intervals of their barriers."""

    naive: Curve | None = None
    matched: Curve | None = None


class Barriers(ReportPart):
    """The loss barrier in nats, without and with matching."""

    naive: float | None = None
    matched: float | None = None
    detail: BarrierDetail = BarrierDetail()
    training: OnTraining | None = None
    left_out: Literal[True] | None = None
    """That the recipe says not to look at the paths."""

    OF_MANY = ("training", "left_out")

    @classmethod
    def of(
        cls,
        *,
        naive: Curve | None,
        matched: Curve | None,
        training: OnTraining | None = None,
        left_out: bool = False,
    ) -> Self:
        """The barriers of two curves; one that holds a number that is not finite counts as none."""
        naive, matched = _sound(naive), _sound(matched)
        return cls(
            naive=naive.barrier.value if naive else None,
            matched=matched.barrier.value if matched else None,
            detail=BarrierDetail(naive=naive, matched=matched),
            training=training,
            left_out=left_out or None,
        )


def _sound(curve: Curve | None) -> Curve | None:
    return curve if curve is not None and is_finite(curve.model_dump()) else None
