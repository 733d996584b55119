"""How long it will take, judged by what took how long on this machine. No past, no estimate."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from typing import Any

from spaces_app.service.job import Job
from spaces_app.service.job_progress import STAGES, Seen

NEIGHBOURS = 5
"""Past jobs an estimate rests on, at most: those most alike."""
ENOUGH = 0.1
"""Share of a bar from which on its own pace is believed."""


def expected(plan: Mapping[str, Any], past: Sequence[Job]) -> dict[str, float] | None:
    """Stage -> seconds of a merge with that plan; None if nothing comparable was ever done.

    The median over the most similar jobs, scaled by the number of weights.
    """
    size, family = _size(plan), plan["both"]["family"]
    alike = [job for job in past if job.seconds and job.plan["both"]["family"] == family]
    alike = [job for job in alike if bool(job.plan["data"]) == bool(plan["data"])]
    alike.sort(key=lambda job: max(size, _size(job.plan)) / max(1, min(size, _size(job.plan))))
    nearest = alike[:NEIGHBOURS]
    if not nearest:
        return None
    return {
        stage: statistics.median(
            job.seconds.get(stage, 0.0) * size / max(1, _size(job.plan)) for job in nearest
        )
        for stage in STAGES
    }


def remaining(seen: Seen, expected: Mapping[str, float] | None, paths: int = 2) -> float | None:
    """Seconds left; None if nobody can say.

    paths: how many are measured, one after the other: the naive one, and the matched one.
    """
    paced = _paced(seen, paths)
    if expected is None:
        return paced
    stages = list(STAGES)
    if seen.stage not in stages:
        return sum(expected.values())
    later = sum(expected[stage] for stage in stages[stages.index(seen.stage) + 1 :])
    by_past = max(0.0, expected[seen.stage] - seen.in_stage)
    return later + (by_past if paced is None else paced)


def _paced(seen: Seen, paths: int) -> float | None:
    """Of the measuring that is left, by the pace of the path that is being measured."""
    bar = seen.bar
    if seen.stage != "measure" or bar is None or bar.unit != "point" or bar.share < ENOUGH:
        return None
    whole = seen.in_bar / bar.share
    after = paths - 1 if bar.what.startswith("naive") else 0
    return whole - seen.in_bar + after * whole


def _size(plan: Mapping[str, Any]) -> int:
    return sum(model["parameters"] for model in plan["models"])
