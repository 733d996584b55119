"""How long it will take, judged by what took how long on this machine. No past, no estimate."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from typing import Any

from spaces_app.service.job import Job
from spaces_app.service.watch import STAGES, Seen

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


def remaining(seen: Seen, expected: Mapping[str, float] | None) -> float | None:
    """Seconds left; None if nobody can say."""
    bar = seen.bar
    paced = None
    if bar is not None and bar.share >= ENOUGH:
        paced = seen.in_stage * (1 - bar.share) / bar.share
    stages = list(STAGES)
    if expected is None:
        return paced if seen.stage == "measure" else None
    if seen.stage not in stages:
        return sum(expected.values())
    later = sum(expected[stage] for stage in stages[stages.index(seen.stage) + 1 :])
    by_past = max(0.0, expected[seen.stage] - seen.in_stage)
    return later + (by_past if paced is None or seen.stage == "match" else paced)


def _size(plan: Mapping[str, Any]) -> int:
    return sum(model["parameters"] for model in plan["models"])
