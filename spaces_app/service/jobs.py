"""The jobs: where people hand in recipes, ask after them, and fetch what came of them."""

from __future__ import annotations

import base64
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hubmerge.errors import ResourceError
from hubmerge.recipe import Recipe
from spaces_app.service import estimate
from spaces_app.service import fair_queue as fair
from spaces_app.service.folders import HOUR, Folders
from spaces_app.service.job import Job, Refusal, Refused, State, refusing
from spaces_app.service.job_progress import Seen
from spaces_app.service.job_store import Store
from spaces_app.service.limits import Limits, read_limits
from spaces_app.service.log import log
from spaces_app.service.metrics import Metrics
from spaces_app.service.planner import PAST, Planned, Planner
from spaces_app.service.scheduler import Scheduler
from spaces_app.service.short_tasks import Short
from spaces_app.service.visitors import Person

GONE = Refusal(
    kind="NotFoundError",
    what="There is no such merge",
    found="its day is over, it was stopped, or it is somebody else's private one",
    hint="start it again: the same recipe gives the same result",
)
NOT_YOURS = Refusal(kind="AccessError", what="Only who started a merge can stop it")
SIGN_IN = Refusal(
    kind="AccessError", what="Sign in first", hint="a merge is published in your own name"
)
CUT_OFF = frozenset({"WorkerKilled", "WorkerLost", "TooLong", "HubUnavailableError"})
"""Ends of publishing after which it is not known here what the Hub holds."""
PUBLISH_AGAIN = "publish again: what stands on the Hub is found, what is missing is added"


@dataclass(frozen=True)
class Look:
    """A job as its owner sees it now."""

    job: Job
    before: int | None
    """Jobs that come first, if it waits."""
    seen: Seen
    left: float | None
    """Seconds it will still take, if anybody can say."""


class JobService:
    """One service on one folder. What people ask for may raise Refused."""

    def __init__(self, root: Path, limits: Limits | None = None) -> None:
        self.limits = limits or read_limits()
        self.folders = Folders(root)
        self.store = Store(self.folders.base)
        self.metrics = Metrics(
            {
                "queue_length": ("Merges that wait.", lambda: len(self.store.waiting())),
                "running": ("Merges that run.", lambda: len(self.store.running())),
            }
        )
        self._short = Short(self.folders, self.limits, self.metrics)
        self._planner = Planner(self._short, self.folders, self.store, self.limits)
        self._crew = Scheduler(self.folders, self.store, self.limits, self.metrics)

    def plan(self, person: Person, recipe: Recipe) -> Planned:
        """What `recipe` would do, or why it cannot; no weights are downloaded."""
        return self._planner.plan(person, recipe)

    def submit(self, person: Person, recipe: Recipe) -> Job:
        """A place in the queue."""
        planned = self.plan(person, recipe)
        job = Job(
            owner=person.key, recipe=recipe.to_yaml(), plan=planned.plan, private=planned.private
        )
        with refusing():
            self._crew.take(job, person.token if planned.private else None)
        log("submitted", job=job.id[:6], owner=person.key, private=job.private)
        return job

    def look(self, person: Person, number: str) -> Look:
        """Where a job stands."""
        job = self._allowed(person, number)
        before = None
        if job.state is State.WAITING:
            before = fair.position(number, self.store.waiting(), self.store.running())
        seen, left = self._crew.seen(number), None
        if job.state is State.RUNNING:
            expected = estimate.expected(job.plan, self.store.done(PAST))
            paths = 1 if job.read().match == "none" else 2
            left = estimate.remaining(seen, expected, paths)
        return Look(job, before, seen, left)

    def mine(self, person: Person) -> list[Job]:
        """The person's jobs, the newest first."""
        return self.store.of(person.key)

    def stop(self, person: Person, number: str) -> Job:
        """End a job; nothing of it is left but that it was stopped."""
        job = self._allowed(person, number)
        if job.owner != person.key:
            raise Refused(NOT_YOURS)
        return self._crew.stop(number) or job

    def result(self, person: Person, number: str) -> Path:
        """The folder of a merge that stands."""
        job = self._allowed(person, number)
        folder = self.folders.result(number)
        if job.state is not State.DONE or not folder.is_dir():
            raise Refused(GONE)
        return folder

    def attempt(self, person: Person, number: str, image: bytes) -> dict[str, list]:
        """What parents, naive average and merge say about an image."""
        self.result(person, number)
        with refusing():
            if len(image) > self.limits.image:
                limit = f"at most {self.limits.image:,} bytes"
                raise ResourceError("the image is too large", found=limit)
        content = {"image": base64.b64encode(image).decode()}
        return self._short.run("attempt", content, folder=self.folders.job(number))

    def packed(self, person: Person, number: str) -> Path:
        """The merge as one file."""
        self.result(person, number)
        return Path(self._short.run("pack", {}, folder=self.folders.job(number))["path"])

    def publish(self, person: Person, number: str, destination: dict[str, Any]) -> dict[str, Any]:
        """Put the merge on the Hub in the person's name; doing it again completes it."""
        if not person.signed_in:
            raise Refused(SIGN_IN)
        self.result(person, number)
        content = {"destination": destination, "token": person.token}
        folder = self.folders.job(number)
        try:
            published = self._short.run("publish", content, folder=folder, patience=HOUR)
        except Refused as refused:
            if refused.refusal.kind in CUT_OFF:
                told = refused.refusal.model_copy(update={"hint": PUBLISH_AGAIN})
                raise Refused(told) from refused
            raise
        log("published", job=number[:6], owner=person.key)
        return published

    def is_healthy(self) -> bool:
        """Whether everything that should run does."""
        return self._crew.is_whole()

    def tidy(self) -> None:
        """Let go of what is over; happens by itself every minute."""
        self._crew.tidy()

    def close(self) -> None:
        """End all work; what was under way waits for the next program."""
        self._crew.close()
        self.store.close()
        log("closed")

    def _allowed(self, person: Person, number: str) -> Job:
        job = self.store.get(number)
        if job is None or (job.private and job.owner != person.key):
            raise Refused(GONE)
        return job
