"""Whose turn it is: everybody's first job before anybody's second."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from spaces_app.service.job import Job


def in_order(waiting: Sequence[Job], running: Sequence[Job]) -> list[Job]:
    """`waiting` in the order it will be worked on.

    The n-th job of a person, those running counted, comes in round n; within a round the oldest is
    first.
    """
    rounds: Counter[str] = Counter(job.owner for job in running)
    ranked = []
    for job in sorted(waiting, key=lambda job: (job.created, job.id)):
        ranked.append((rounds[job.owner], job.created, job.id, job))
        rounds[job.owner] += 1
    return [job for *_, job in sorted(ranked, key=lambda entry: entry[:3])]


def position(number: str, waiting: Sequence[Job], running: Sequence[Job]) -> int | None:
    """How many jobs come before that one, those running aside; None if it does not wait."""
    order = [job.id for job in in_order(waiting, running)]
    return order.index(number) if number in order else None
