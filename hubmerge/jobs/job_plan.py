"""What a job would be, where, how long and for how much: as numbers."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict

from hubmerge.jobs.estimate import SETTING_UP, Work
from hubmerge.jobs.flavors import Flavor
from hubmerge.jobs.request import Request
from hubmerge.planning.plan import Plan


class JobPlan(BaseModel):
    """A job that was not started.

    Parameters:
        does: as a person reads it.
        flavor, cores, memory, disk, accelerator: the machine; bytes, disk None where it is unknown.
        needed_memory, needed_disk: bytes.
        seconds, setting_up_seconds, limit_seconds: how long it takes, about; of that until the
            libraries are there; and when it is ended.
        dollars, most_dollars: for these times.
        pushes_to, private: the repository of the result; None without one.
        home: the private data set to which the order and `hubmerge`, this version, are sent.
        merge: what the merge itself would do.
    """

    model_config = ConfigDict(frozen=True)

    does: str
    flavor: str
    cores: int
    memory: int
    disk: int | None
    accelerator: str | None
    needed_memory: int
    needed_disk: int
    seconds: float
    setting_up_seconds: float
    limit_seconds: int
    dollars: float
    most_dollars: float
    pushes_to: str | None
    private: bool | None
    home: str
    hubmerge: str
    merge: Plan | None


def job_plan(request: Request, machine: Flavor, work: Work, plan: Plan | None) -> JobPlan:
    """The plan of a request on a machine."""
    memory, disk = work.needed
    seconds, limit = work.seconds(machine), work.limit(machine)
    repository = None if plan is None else plan.target.repo
    return JobPlan(
        does=request.what,
        flavor=machine.name,
        cores=machine.cores,
        memory=machine.memory,
        disk=machine.disk,
        accelerator=machine.accelerator,
        needed_memory=memory,
        needed_disk=disk,
        seconds=seconds,
        setting_up_seconds=SETTING_UP,
        limit_seconds=limit,
        dollars=machine.second * seconds,
        most_dollars=machine.second * limit,
        pushes_to=repository,
        private=plan.private if plan is not None and repository is not None else None,
        home=request.order.home,
        hubmerge=request.order.hubmerge,
        merge=plan,
    )
