"""Runs the queued merges in fair order, and removes expired results."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable, Iterator
from typing import Any

from hubmerge.errors import ResourceError
from spaces_app.service.fair_queue import fair_order
from spaces_app.service.folders import HOUR, Folders
from spaces_app.service.job import Job, Refusal, Refused, State
from spaces_app.service.job_progress import JobProgress, ProgressTracker
from spaces_app.service.job_store import JobStore
from spaces_app.service.limits import Limits
from spaces_app.service.log import log
from spaces_app.service.metrics import Metrics
from spaces_app.service.planner import recipe_json
from spaces_app.service.short_tasks import request
from spaces_app.service.visitors import APP, is_anonymous
from spaces_app.service.worker import Worker
from spaces_app.service.zerogpu import worker_for

CLEAN_UP_SECONDS = 60.0

RESTARTED = Refusal(
    kind="Restarted",
    what="The Space was restarted before this merge was done",
    found="it needs your token, which is kept in memory only",
    hint="sign in and start it again",
)


class Scheduler:
    """One thread per merge that may run at once, each with one worker process at a time."""

    def __init__(self, folders: Folders, store: JobStore, limits: Limits, metrics: Metrics) -> None:
        self._folders, self._store = folders, store
        self._limits, self._metrics = limits, metrics
        self._tokens: dict[str, str] = {}
        """Unfinished private job -> token of its owner."""
        self._trackers: dict[str, ProgressTracker] = {}
        self._workers: dict[str, Worker] = {}
        self._condition = threading.Condition()
        self._closing = False
        self._kept: tuple[str, ...] = ()
        """Recipes of which the newest result is kept."""
        self._recover()
        self._threads = [
            threading.Thread(target=self._run_jobs, name=f"merge-{number}", daemon=True)
            for number in range(limits.heavy)
        ] + [threading.Thread(target=self._clean_up_loop, name="clean-up", daemon=True)]
        for thread in self._threads:
            thread.start()

    def submit(self, job: Job, token: str | None) -> None:
        """Put `job` into the queue. Raises: ResourceError, if the queue is full."""
        with self._condition:
            waiting, running = self._store.waiting(), self._store.running()
            own = [each for each in (*waiting, *running) if each.owner == job.owner]
            if self._closing:
                raise ResourceError("the Space is restarting", hint="try again in a minute")
            if job.owner != APP.key and len(own) >= self._limits.per_person:
                raise ResourceError(
                    f"you have {len(own)} unfinished merges",
                    found=f"at most {self._limits.per_person} per visitor",
                    hint="wait for one of them, or stop it",
                )
            if len(waiting) >= self._limits.waiting:
                raise ResourceError("the queue is full", hint="try again later")
            anonymous = sum(is_anonymous(each.owner) for each in waiting)
            if is_anonymous(job.owner) and anonymous >= self._limits.waiting // 2:
                raise ResourceError(
                    "the queue is full for visitors who are not signed in",
                    found="half of the queue is reserved for signed-in visitors",
                    hint="sign in, or try again later",
                )
            if token is not None:
                self._tokens[job.id] = token
            self._store.put(job)
            self._condition.notify_all()

    def progress(self, job_id: str) -> JobProgress:
        """Progress of a job."""
        with self._condition:
            tracker = self._trackers.get(job_id)
        return tracker.progress() if tracker else JobProgress()

    def stop(self, job_id: str) -> Job | None:
        """End a job at once; returns its new state."""
        with self._condition:
            job = self._store.get(job_id)
            if job is None or job.has_ended:
                return job
            stopped = job.as_stopped()
            self._end(stopped)
            worker = self._workers.get(job_id)
        if worker:
            worker.stop()
        return stopped

    def is_healthy(self) -> bool:
        """Whether every thread is alive."""
        return not self._closing and all(thread.is_alive() for thread in self._threads)

    def clean_up(self) -> None:
        """Remove expired results and shrink the cache to its limit."""
        over = self._store.ended_before(time.time() - self._limits.keep_seconds)
        kept = {job.id for recipe in self._kept for job in self._newest_result(recipe)}
        for job in (*over, *self._excess_results()):
            if job.id in kept:
                continue
            self._store.remove(job.id)
            self._folders.remove(job.id)
        with self._condition:
            if not self._workers:
                self._folders.remove_partial_downloads(older=HOUR)
                self._folders.shrink(self._limits.cache)

    def keep(self, recipes: Iterable[str]) -> None:
        """Keep the newest public result by each of these recipes."""
        self._kept = tuple(recipes)

    def _newest_result(self, recipe: str) -> list[Job]:
        done = [job for job in self._store.by(recipe) if job.state is State.DONE]
        return [job for job in done if not job.private][:1]

    def close(self) -> None:
        """End all workers; unfinished jobs are queued again at the next start."""
        with self._condition:
            self._closing = True
            workers = list(self._workers.values())
            self._condition.notify_all()
        for worker in workers:
            worker.stop()
        for thread in self._threads:
            thread.join(timeout=10)

    def _run_jobs(self) -> None:
        """Run one job after the other, in fair order."""
        while True:
            with self._condition:
                while not self._closing and not self._store.waiting():
                    self._condition.wait()
                if self._closing:
                    return
                job = fair_order(self._store.waiting(), self._store.running())[0].as_running()
                tracker = self._trackers[job.id] = ProgressTracker()
                worker = self._workers[job.id] = worker_for(self._request(job))
                self._store.put(job)
            self._run_job(job, worker, tracker)

    def _request(self, job: Job) -> dict[str, Any]:
        folder = self._folders.job(job.id)
        folder.mkdir(exist_ok=True)
        cache = folder / "cache" if job.private else self._folders.shared
        content: dict[str, Any] = {
            "recipe": recipe_json(job.parsed_recipe()),
            "gpu_seconds": self._limits.gpu_seconds,
        }
        if job.id in self._tokens:
            content["token"] = self._tokens[job.id]
        return request("merge", folder, cache, self._limits, content)

    def _run_job(self, job: Job, worker: Worker, tracker: ProgressTracker) -> None:
        start = time.monotonic()
        try:
            worker.run(tracker.handle, self._limits.merge_seconds)
            ended = job.as_done(tracker.end())
        except Refused as refused:
            ended = job.as_failed(refused.refusal)
        except Exception as error:  # a failing job must not end this thread
            log("worker_error", error=repr(error))
            ended = job.as_failed(Refusal(kind=type(error).__name__, what="Something went wrong"))
        ended = self._record_end(ended)
        self._metrics.record("merge", str(ended.state), time.monotonic() - start)

    def _record_end(self, ended: Job) -> Job:
        """Store how a job ended, unless it was stopped or the service is closing."""
        with self._condition:
            self._workers.pop(ended.id, None)
            now = self._store.get(ended.id)
            if now is None or now.has_ended:
                ended = now or ended.as_stopped()
            elif self._closing and ended.state is State.FAILED:
                ended = ended.as_waiting()
                self._store.put(ended)
            else:
                self._end(ended)
            if ended.state is not State.DONE:
                self._folders.remove(ended.id)
                if not self._workers:
                    self._folders.remove_partial_downloads()
        return ended

    def _end(self, job: Job) -> None:
        self._store.put(job)
        self._tokens.pop(job.id, None)
        self._trackers.pop(job.id, None)
        kind = job.refusal.kind if job.refusal else None
        log("ended", job=job.id[:6], state=str(job.state), refusal=kind)

    def _recover(self) -> None:
        """Queue what a previous run left unfinished; jobs that need a token fail."""
        for job in (*self._store.running(), *self._store.waiting()):
            self._folders.remove(job.id)
            self._store.put(job.as_failed(RESTARTED) if job.private else job.as_waiting())
        self._folders.remove_unknown(self._store.ids())
        self._folders.remove_partial_downloads()

    def _clean_up_loop(self) -> None:
        while True:
            with self._condition:
                if self._condition.wait_for(lambda: self._closing, timeout=CLEAN_UP_SECONDS):
                    return
            try:
                self.clean_up()
            except Exception as error:  # tried again in a minute
                log("clean_up_error", error=repr(error))

    def _excess_results(self) -> Iterator[Job]:
        """The oldest results of each visitor beyond the number that is kept."""
        kept: dict[str, int] = {}
        for job in self._store.done(-1):  # sqlite: no limit
            kept[job.owner] = kept.get(job.owner, 0) + 1
            if kept[job.owner] > self._limits.kept_per_person:
                yield job
