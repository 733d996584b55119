"""The service behind the page: plan, submit, follow, download and publish merges."""

from __future__ import annotations

import base64
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from hubmerge.errors import ResourceError
from hubmerge.recipe import Recipe
from spaces_app.service import estimate
from spaces_app.service.fair_queue import position
from spaces_app.service.folders import HOUR, Folders
from spaces_app.service.gallery import GalleryEntry, gallery, with_proofs
from spaces_app.service.hub_jobs import HubJobs
from spaces_app.service.job import Job, Refusal, Refused, State, refusing
from spaces_app.service.job_progress import JobProgress
from spaces_app.service.job_store import JobStore
from spaces_app.service.limits import Limits, read_limits
from spaces_app.service.log import log
from spaces_app.service.metrics import Metrics
from spaces_app.service.planner import PAST, Planner, PlanResult
from spaces_app.service.scheduler import Scheduler
from spaces_app.service.short_tasks import TaskRunner
from spaces_app.service.trying import SAMPLES
from spaces_app.service.verified import VerifiedStore
from spaces_app.service.verifier import Verifier
from spaces_app.service.visitors import Visitor

GONE = Refusal(
    kind="NotFoundError",
    what="There is no such merge",
    found="it expired, was stopped, or is a private merge of another visitor",
    hint="start it again: the same recipe gives the same result",
)
NOT_YOURS = Refusal(kind="AccessError", what="Only the visitor who started a merge can stop it")
SIGN_IN = Refusal(
    kind="AccessError", what="Sign in first", hint="a merge is published to your own account"
)
CUT_OFF = frozenset({"WorkerKilled", "WorkerLost", "TooLong", "HubUnavailableError"})
"""Errors after which it is unknown what was uploaded."""
PUBLISH_AGAIN = "publish again: files that are on the Hub are kept, missing ones are added"


MOST_TEXT = 2_000
"""Characters of a text that is tried."""


class SampleRow(BaseModel):
    """A row of the data set. content: its text; None for a picture."""

    content: str | None
    truth: str | None


class Samples(BaseModel):
    """Rows to try, and contender -> for every row [[said, probability], ...]."""

    kind: str
    rows: list[SampleRow]
    answers: dict[str, list[list[tuple[str, float | None]]]]


@dataclass(frozen=True)
class JobStatus:
    """A job with its place in the queue and its progress."""

    job: Job
    queue_position: int | None
    """Number of jobs before it, while it waits."""
    progress: JobProgress
    seconds_left: float | None
    """Estimated seconds to its end, if known."""


class JobService:
    """The service on one folder. Methods that take a visitor may raise `Refused`."""

    def __init__(self, root: Path, limits: Limits | None = None) -> None:
        self.limits = limits or read_limits()
        self.folders = Folders(root)
        self.store = JobStore(self.folders.database)
        self.metrics = Metrics(
            {
                "queue_length": ("Merges that wait.", lambda: len(self.store.waiting())),
                "running": ("Merges that run.", lambda: len(self.store.running())),
            }
        )
        self._tasks = TaskRunner(self.folders, self.limits, self.metrics)
        self._planner = Planner(self._tasks, self.folders, self.store, self.limits)
        self.hub_jobs = HubJobs(self._planner, self._tasks, self.limits)
        self._scheduler = Scheduler(self.folders, self.store, self.limits, self.metrics)
        self.verified = VerifiedStore(self.folders.verified)
        self.verifier = Verifier(self.folders, self.store, self.verified, self.limits, self.metrics)

    def plan(self, visitor: Visitor, recipe: Recipe) -> PlanResult:
        """What `recipe` would do, or why it cannot; no weights are downloaded."""
        return self._planner.plan(visitor, recipe)

    def submit(self, visitor: Visitor, recipe: Recipe) -> Job:
        """Queue a merge."""
        planned = self.plan(visitor, recipe)
        job = Job(
            owner=visitor.key, recipe=recipe.to_yaml(), plan=planned.plan, private=planned.private
        )
        with refusing():
            self._scheduler.submit(job, visitor.token if planned.private else None)
        log("submitted", job=job.id[:6], owner=visitor.key, private=job.private)
        return job

    def status(self, visitor: Visitor, job_id: str) -> JobStatus:
        """Status of a job."""
        job = self._allowed(visitor, job_id)
        before = None
        if job.state is State.WAITING:
            before = position(job_id, self.store.waiting(), self.store.running())
        progress, left = self._scheduler.progress(job_id), None
        if job.state is State.RUNNING:
            expected = estimate.expected(job.plan, self.store.done(PAST))
            paths = 1 if job.parsed_recipe().match == "none" else 2
            left = estimate.remaining(progress, expected, paths)
        return JobStatus(job, before, progress, left)

    def jobs_of(self, visitor: Visitor) -> list[Job]:
        """Jobs of a visitor, the newest first."""
        return self.store.of(visitor.key)

    def newest(self, recipe: str) -> Job | None:
        """The newest merge by a recipe's text that all may see: finished, else unfinished."""
        public = [job for job in self.store.by(recipe) if not job.private]
        finished = (job for job in public if job.state is State.DONE)
        return next(iter([*finished, *(job for job in public if not job.has_ended)]), None)

    def keep(self, recipes: Iterable[str]) -> None:
        """Keep the newest finished merge by each of these recipes, whatever the limits say."""
        self._scheduler.keep(recipes)

    def stop(self, visitor: Visitor, job_id: str) -> Job:
        """Stop a job and remove its files."""
        job = self._allowed(visitor, job_id)
        if job.owner != visitor.key:
            raise Refused(NOT_YOURS)
        return self._scheduler.stop(job_id) or job

    def result(self, visitor: Visitor, job_id: str) -> Path:
        """The folder of a finished merge."""
        job = self._allowed(visitor, job_id)
        folder = self.folders.result(job_id)
        if job.state is not State.DONE or not folder.is_dir():
            raise Refused(GONE)
        return folder

    def predict(
        self, visitor: Visitor, job_id: str, image: bytes = b"", *, text: str | None = None
    ) -> dict[str, list]:
        """What parents, naive average and merge say to an image, or to a text."""
        self.result(visitor, job_id)
        with refusing():
            if len(image) > self.limits.image:
                limit = f"at most {self.limits.image:,} bytes"
                raise ResourceError("the image is too large", found=limit)
            if text is not None and len(text) > MOST_TEXT:
                limit = f"at most {MOST_TEXT:,} characters"
                raise ResourceError("the text is too long", found=limit)
        content = {"image": base64.b64encode(image).decode()} if text is None else {"text": text}
        return self._tasks.run(
            "predict", content, visitor=visitor.key, folder=self.folders.job(job_id)
        )

    def samples(self, visitor: Visitor, job_id: str) -> Samples | None:
        """Rows of the data set, and what every contender says to them; None without any."""
        self.result(visitor, job_id)
        try:
            return Samples.model_validate_json((self.folders.job(job_id) / SAMPLES).read_bytes())
        except (OSError, ValueError):
            return None

    def sample_picture(self, visitor: Visitor, job_id: str, place: int) -> Path:
        """The picture of a row of `samples`."""
        self.result(visitor, job_id)
        return self.folders.job(job_id) / f"sample-{place}.png"

    def expected(self, visitor: Visitor, recipe: Recipe) -> tuple[float, float] | None:
        """Shortest and longest duration of a merge, by earlier ones; None if unknown."""
        return self.plan(visitor, recipe).between

    def archive(self, visitor: Visitor, job_id: str) -> Path:
        """The merge as a zip file."""
        self.result(visitor, job_id)
        folder = self.folders.job(job_id)
        return Path(self._tasks.run("pack", {}, visitor=visitor.key, folder=folder)["path"])

    def publish(self, visitor: Visitor, job_id: str, destination: dict[str, Any]) -> dict[str, Any]:
        """Publish the merge to the visitor's account; a second call completes a broken one."""
        if not visitor.signed_in:
            raise Refused(SIGN_IN)
        self.result(visitor, job_id)
        content = {"destination": destination, "token": visitor.token}
        folder = self.folders.job(job_id)
        try:
            published = self._tasks.run(
                "publish", content, visitor=visitor.key, folder=folder, timeout=HOUR
            )
        except Refused as refused:
            if refused.refusal.kind in CUT_OFF:
                refusal = refused.refusal.model_copy(update={"hint": PUBLISH_AGAIN})
                raise Refused(refusal) from refused
            raise
        log("published", job=job_id[:6], owner=visitor.key)
        return published

    def gallery(self, visitor: Visitor) -> list[GalleryEntry]:
        """Merges on the Hub that the visitor can see, with what this app verified of them."""
        return with_proofs(gallery(visitor), self.verified)

    def is_healthy(self) -> bool:
        """Whether all threads are alive."""
        return self._scheduler.is_healthy()

    def clean_up(self) -> None:
        """Remove expired results; also done every minute."""
        self._scheduler.clean_up()

    def close(self) -> None:
        """End all workers; unfinished jobs are queued again at the next start."""
        self.verifier.close()
        self._scheduler.close()
        self.verified.close()
        self.store.close()
        log("closed")

    def _allowed(self, visitor: Visitor, job_id: str) -> Job:
        # A stranger's id may be anything that JSON can hold.
        known = isinstance(job_id, str) and job_id.isascii()
        job = self.store.get(job_id) if known else None
        if job is None or (job.private and job.owner != visitor.key):
            raise Refused(GONE)
        return job
