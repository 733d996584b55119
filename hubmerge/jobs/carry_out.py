"""The way of a job: found or agreed to and started, followed to its end, its outcome brought."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from huggingface_hub import JobInfo

from hubmerge.errors import AccessError, HubUnavailableError
from hubmerge.jobs.estimate import Work, cost_text, time_text
from hubmerge.jobs.flavors import Flavor, choose
from hubmerge.jobs.follow import cancel, follow, outcome_after
from hubmerge.jobs.home import send
from hubmerge.jobs.outcome import Outcome, error_of
from hubmerge.jobs.request import Request
from hubmerge.jobs.submit import offered, running, start
from hubmerge.pipeline.context import Run
from hubmerge.pipeline.existing import Found, find_finished, identity
from hubmerge.planning.plan import Plan
from hubmerge.planning.resources import human
from hubmerge.utils.tables import columns


@dataclass(frozen=True, kw_only=True)
class Faces:
    """How a job talks with its owner.

    Parameters:
        agree: shows a plan; raises UnconfirmedError, if that is not to be started.
        say: a line of the job, or about it.
        stop: whether to cancel a job whose following was interrupted.
    """

    agree: Callable[[str], None]
    say: Callable[[str], None]
    stop: Callable[[JobInfo], bool]


def carry_out(request: Request, flavor: str | None, account: str, faces: Faces) -> Outcome:
    """Carries out a request in a job, or follows the one that does so already.

    flavor: the machine; None finds the cheapest that will do.
    Raises: UnconfirmedError, AccessError, RecipeError, ResourceError, JobError, JobTimeoutError,
    and the error with which the command ended; KeyboardInterrupt, with what becomes of the job.
    """
    limit = None
    job = running(request.order, account)
    if job is not None:
        faces.say(f"found its job, which is under way: {job.url}")
    else:
        work, plan = request.planned()
        machine = chosen(work, flavor, account)
        limit = work.limit(machine)
        faces.agree(job_text(request, machine, work, plan))
        job = begin(request, machine, work, account)
        faces.say(f"started {job.url}")
    with _within_reach(job):
        ended, lines = _followed(job, faces)
        outcome = outcome_after(ended, request.order, lines, limit)
    if (error := error_of(outcome, ended.url, lines)) is not None:
        raise error
    return outcome


def begin(request: Request, machine: Flavor, work: Work, account: str) -> JobInfo:
    """Sends what is to be done, and starts the job that does it.

    Raises: TargetError, AccessError, RecipeError, HubUnavailableError.
    """
    commit = send(request.order, request.recipe, request.wheel)
    return start(
        request.order,
        commit,
        request.wheel,
        request.sources,
        flavor=machine,
        seconds=work.limit(machine),
        account=account,
    )


def chosen(work: Work, flavor: str | None, account: str) -> Flavor:
    """The machine for some work. Raises: RecipeError, ResourceError."""
    memory, disk = work.needed
    return choose(offered(account), flavor, memory=memory, disk=disk)


def job_text(request: Request, machine: Flavor, work: Work, plan: Plan | None) -> str:
    """What would be started, where, how long it takes and what it costs."""
    memory, disk = work.needed
    rows = [
        ("does", request.what),
        ("on", str(machine)),
        ("needs", f"about {human(memory)} of memory, {human(disk)} of disk"),
        ("takes", time_text(work, machine)),
        ("costs", cost_text(work, machine)),
    ]
    if machine.accelerator:
        rows.append(("remark", f"hubmerge makes no use of {machine.accelerator}"))
    if plan is not None and plan.target.repo is not None:
        visible = "private" if plan.private else "public"
        rows.append(("pushes to", f"{plan.target.repo} ({visible})"))
    rows.append(
        ("is sent", f"hubmerge {request.order.hubmerge} and what to do, to {request.order.home}")
    )
    rows.append(("", "your token, as a secret of the job"))
    return "Job\n" + columns(rows, indent=2)


def published(run: Run) -> Found | None:
    """The result of a merge, where it is pushed to; None if it is not there."""
    return find_finished(identity(run.written), run.destination)


@contextmanager
def _within_reach(job: JobInfo) -> Iterator[None]:
    """Says what becomes of a job that the Hub says nothing more of, as with a token that expired.

    Raises: AccessError, HubUnavailableError.
    """
    try:
        yield
    except (AccessError, HubUnavailableError) as error:
        wants = " with a token that the Hub takes" if isinstance(error, AccessError) else ""
        raise type(error)(
            "the job can no longer be followed",
            found="; ".join(filter(None, [error.message.what, error.message.found])),
            source=job.url,
            hint=f"it goes on by itself: the same command{wants} follows it again, or finds its "
            "result",
        ) from error


def _followed(job: JobInfo, faces: Faces) -> tuple[JobInfo, list[str]]:
    try:
        return follow(job, faces.say)
    except KeyboardInterrupt:
        if faces.stop(job):
            cancel(job)
            raise KeyboardInterrupt(f"The job was cancelled: {job.url}") from None
        raise KeyboardInterrupt(
            f"The job goes on: {job.url}\nThe same command follows it again."
        ) from None
