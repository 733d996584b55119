"""Order of the queue: the first job of every visitor comes before the second of any."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from spaces_app.service.job import Job


def fair_order(waiting: Sequence[Job], running: Sequence[Job]) -> list[Job]:
    """`waiting` in the order in which it will run.

    The n-th job of a visitor, those running counted, comes in round n; within a round the oldest is
    first.
    """
    rounds: Counter[str] = Counter(job.owner for job in running)
    ranked = []
    for job in sorted(waiting, key=lambda job: (job.created, job.id)):
        ranked.append((rounds[job.owner], job.created, job.id, job))
        rounds[job.owner] += 1
    return [job for *_, job in sorted(ranked, key=lambda entry: entry[:3])]


def position(job_id: str, waiting: Sequence[Job], running: Sequence[Job]) -> int | None:
    """Number of waiting jobs before this one; None if it does not wait."""
    order = [job.id for job in fair_order(waiting, running)]
    return order.index(job_id) if job_id in order else None
