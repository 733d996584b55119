"""A merge that lies off the straight path that was measured: pictures show it by itself."""

from __future__ import annotations

from typing import NamedTuple

from hubmerge.reporting.schema.report import Report

OFF_PATH = 0.02
"""Share of the highest loss between a merge and the matched path from which on it is off it."""


class OffPath(NamedTuple):
    """The merge, where its share of model B says that it would lie on the path."""

    lam: float
    loss: float
    accuracy: float | None


def off_path(report: Report) -> OffPath | None:
    """The merge, if what was fused or refined is no longer what lies on the matched path."""
    merge, lam = report.contenders.merge, report.method.lam
    detail = report.barrier.detail
    if detail.matched is None or merge.loss is None or lam is None or len(report.models) != 2:
        return None
    nearest = min(detail.matched.points, key=lambda point: abs(point.lam - lam))
    curves = [curve for curve in (detail.naive, detail.matched) if curve is not None]
    highest = max(point.loss for curve in curves for point in curve.points)
    if abs(nearest.loss - merge.loss) <= OFF_PATH * highest:
        return None
    return OffPath(lam, merge.loss, merge.accuracy)
