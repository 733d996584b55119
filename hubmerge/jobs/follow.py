"""Following a job to its end, and what its end means."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

from huggingface_hub import JobInfo, JobStage

from hubmerge.errors import INTERRUPTED, HubmergeError, JobError, JobTimeoutError
from hubmerge.hub.client import client
from hubmerge.jobs.home import outcome_of
from hubmerge.jobs.order import Order
from hubmerge.jobs.outcome import KILLED, LEFT, Outcome, last, without_memory
from hubmerge.jobs.refusals import about_jobs

KEPT = 200
"""Last lines that are remembered."""
LATE = ("timeout", "timed out", "time limit")
"""What the Hub says of a job that took too long."""
KILLED_WHOLE = (f"exit code: {KILLED}", "oomkilled", "out of memory")
"""What it says of a job that was ended with all its processes for lack of memory."""


def follow(job: JobInfo, say: Callable[[str], None]) -> tuple[JobInfo, list[str]]:
    """Says every line of a job until it is over; how it ended, and its last lines.

    Raises: NotFoundError, if it no longer exists; HubUnavailableError, and the job goes on.
    """
    account, lines = job.owner.name, deque[str](maxlen=KEPT)
    with about_jobs(account, job.id):
        for line in client().fetch_job_logs(job_id=job.id, namespace=account, follow=True):
            text = line.rstrip("\n")
            lines.append(text)
            say(text)
        return client().wait_for_job(job.id, namespace=account), [*lines]


def cancel(job: JobInfo) -> None:
    """Cancels a job."""
    with about_jobs(job.owner.name, job.id):
        client().cancel_job(job_id=job.id, namespace=job.owner.name)


def outcome_after(job: JobInfo, order: Order, lines: list[str], limit: int | None) -> Outcome:
    """What a job that is over has left. Raises: JobError, JobTimeoutError, if it was stopped.

    limit: its time limit in seconds, where it is known.
    """
    outcome = outcome_of(order)
    if outcome is not None and outcome.exit_code != INTERRUPTED:
        return outcome
    raise without_outcome(job, lines, limit)


def without_outcome(job: JobInfo, lines: list[str], limit: int | None) -> HubmergeError:
    """The error for a job that is over and left nothing. Parameters: as of `outcome_after`."""
    stage, said = job.status.stage, job.status.message or ""
    found = "\n".join(filter(None, [said, last(lines)])) or None
    if stage == JobStage.CANCELED:
        return JobError("the job was cancelled", found=found, source=job.url, hint=LEFT)
    spent = job.durations.running_secs if job.durations else None
    late = limit is not None and spent is not None and spent >= limit
    if late or any(words in said.lower() for words in LATE):
        return JobTimeoutError(
            "the job was ended at its time limit",
            found=found,
            source=job.url,
            hint=f"a faster flavour, fewer rows, or a lower effort; {LEFT}",
            field="on",
        )
    if stage == JobStage.ERROR:
        if any(words in said.lower() for words in KILLED_WHOLE):
            return without_memory(found, job.url)
        return JobError("the job failed", found=found, source=job.url, hint=LEFT)
    return JobError("the job left no result", found=found, source=job.url, hint=LEFT)
