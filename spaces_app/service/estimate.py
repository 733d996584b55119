"""Estimated duration of a merge, from earlier merges on this machine."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from typing import Any

from spaces_app.service.job import Job
from spaces_app.service.job_progress import STAGES, JobProgress

NEIGHBOURS = 5
"""Number of past jobs an estimate uses: the most similar ones."""
WIDER = 1.2
"""By how much a range is wider than the durations it is made of."""
MIN_SHARE = 0.1
"""Share of a loop that must be complete before its pace is used."""


def expected(plan: Mapping[str, Any], past: Sequence[Job]) -> dict[str, float] | None:
    """Stage -> seconds of a merge with that plan; None without a comparable job.

    The median over the most similar jobs, scaled by the number of weights.
    """
    nearest = _nearest(plan, past)
    if not nearest:
        return None
    return {stage: statistics.median(each.get(stage, 0.0) for each in nearest) for stage in STAGES}


def between(plan: Mapping[str, Any], past: Sequence[Job]) -> tuple[float, float] | None:
    """Shortest and longest duration of a merge with that plan; None without a comparable job.

    Of the most similar jobs, scaled as `expected` does, and widened by a fifth: no two merges are
    alike, and others may run beside.
    """
    sums = [sum(each.values()) for each in _nearest(plan, past)]
    return (min(sums) / WIDER, max(sums) * WIDER) if sums else None


def _nearest(plan: Mapping[str, Any], past: Sequence[Job]) -> list[dict[str, float]]:
    """Stage -> seconds of the most similar jobs, scaled by the number of weights."""
    size, family = _size(plan), plan["both"]["family"]
    alike = [job for job in past if job.seconds and job.plan["both"]["family"] == family]
    alike = [job for job in alike if bool(job.plan["data"]) == bool(plan["data"])]
    alike.sort(key=lambda job: max(size, _size(job.plan)) / max(1, min(size, _size(job.plan))))
    return [
        {stage: job.seconds.get(stage, 0.0) * size / max(1, _size(job.plan)) for stage in STAGES}
        for job in alike[:NEIGHBOURS]
    ]


def remaining(
    progress: JobProgress, expected: Mapping[str, float] | None, paths: int = 2
) -> float | None:
    """Seconds left; None if unknown.

    paths: number of paths measured one after the other: naive, then matched.
    """
    by_pace = _by_pace(progress, paths)
    if expected is None:
        return by_pace
    stages = list(STAGES)
    if progress.stage not in stages:
        return sum(expected.values())
    later = sum(expected[stage] for stage in stages[stages.index(progress.stage) + 1 :])
    by_past = max(0.0, expected[progress.stage] - progress.stage_seconds)
    return later + (by_past if by_pace is None else by_pace)


def _by_pace(progress: JobProgress, paths: int) -> float | None:
    """Seconds of evaluation left, by the pace on the current path."""
    bar = progress.bar
    if progress.stage != "measure" or bar is None or bar.unit != "point" or bar.share < MIN_SHARE:
        return None
    whole = progress.bar_seconds / bar.share
    after = paths - 1 if bar.what.startswith("naive") else 0
    return whole - progress.bar_seconds + after * whole


def _size(plan: Mapping[str, Any]) -> int:
    return sum(model["parameters"] for model in plan["models"])
