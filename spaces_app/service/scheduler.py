"""The scheduler: carries out merges, one person's turn after the other's, and clears up."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from typing import Any

from hubmerge.errors import ResourceError
from spaces_app.service import fair_queue as fair
from spaces_app.service.folders import HOUR, Folders
from spaces_app.service.job import Job, Refusal, Refused, State
from spaces_app.service.job_progress import Seen, Watch
from spaces_app.service.job_store import Store
from spaces_app.service.limits import Limits
from spaces_app.service.log import log
from spaces_app.service.metrics import Metrics
from spaces_app.service.planner import plain
from spaces_app.service.short_tasks import request
from spaces_app.service.visitors import is_unknown
from spaces_app.service.worker import Worker
from spaces_app.service.zerogpu import worker_for

TIDY_EVERY = 60.0

RESTARTED = Refusal(
    kind="Restarted",
    what="The Space was restarted while this was waiting or running",
    found="it needs your sign-in, which is kept in memory only",
    hint="sign in and start it again: nothing else is lost",
)


class Scheduler:
    """So many threads as merges may run at once, each with one worker process at a time."""

    def __init__(self, folders: Folders, store: Store, limits: Limits, metrics: Metrics) -> None:
        self._folders, self._store = folders, store
        self._limits, self._metrics = limits, metrics
        self._tokens: dict[str, str] = {}
        """Job -> its owner's token, of private jobs that have not ended."""
        self._watches: dict[str, Watch] = {}
        self._workers: dict[str, Worker] = {}
        self._turn = threading.Condition()
        self._closing = False
        self._begin_again()
        self._threads = [
            threading.Thread(target=self._work, name=f"merge-{number}", daemon=True)
            for number in range(limits.heavy)
        ] + [threading.Thread(target=self._keep_tidy, name="tidy", daemon=True)]
        for thread in self._threads:
            thread.start()

    def take(self, job: Job, token: str | None) -> None:
        """Put `job` into the queue. Raises: ResourceError, if there is no room for it."""
        with self._turn:
            waiting, running = self._store.waiting(), self._store.running()
            mine = [each for each in (*waiting, *running) if each.owner == job.owner]
            if self._closing:
                raise ResourceError("the Space is being restarted", hint="in a minute")
            if len(mine) >= self._limits.per_person:
                raise ResourceError(
                    f"you have {len(mine)} merges under way already",
                    found=f"at most {self._limits.per_person} a person",
                    hint="wait for one of them, or stop it",
                )
            if len(waiting) >= self._limits.waiting:
                raise ResourceError("the queue is full", hint="try again in a while")
            unknown = sum(is_unknown(each.owner) for each in waiting)
            if is_unknown(job.owner) and unknown >= self._limits.waiting // 2:
                raise ResourceError(
                    "the queue is full for who has not signed in",
                    found="the other half of it is for who has: browsers are easily had",
                    hint="sign in, or try again in a while",
                )
            if token is not None:
                self._tokens[job.id] = token
            self._store.put(job)
            self._turn.notify_all()

    def seen(self, number: str) -> Seen:
        """How far a job is."""
        with self._turn:
            watch = self._watches.get(number)
        return watch.seen() if watch else Seen()

    def stop(self, number: str) -> Job | None:
        """End a job, now; what it is afterwards."""
        with self._turn:
            job = self._store.get(number)
            if job is None or job.has_ended:
                return job
            stopped = job.stopped()
            self._end(stopped)
            worker = self._workers.get(number)
        if worker:
            worker.stop()
        return stopped

    def is_whole(self) -> bool:
        """Whether every thread is there."""
        return not self._closing and all(thread.is_alive() for thread in self._threads)

    def tidy(self) -> None:
        """Let go of what is over, and keep the cache within its bounds."""
        over = self._store.ended_before(time.time() - self._limits.keep_seconds)
        for job in (*over, *self._too_many()):
            self._store.remove(job.id)
            self._folders.remove(job.id)
        with self._turn:
            if not self._workers:
                self._folders.forget_halves(older=HOUR)
                self._folders.shrink(self._limits.cache)

    def close(self) -> None:
        """End all work; what was under way waits for the next program."""
        with self._turn:
            self._closing = True
            workers = list(self._workers.values())
            self._turn.notify_all()
        for worker in workers:
            worker.stop()
        for thread in self._threads:
            thread.join(timeout=10)

    def _work(self) -> None:
        """Takes one job after the other, whoever's turn it is."""
        while True:
            with self._turn:
                while not self._closing and not self._store.waiting():
                    self._turn.wait()
                if self._closing:
                    return
                job = fair.in_order(self._store.waiting(), self._store.running())[0].begun()
                watch = self._watches[job.id] = Watch()
                worker = self._workers[job.id] = worker_for(self._request(job))
                self._store.put(job)
            self._carry_out(job, worker, watch)

    def _request(self, job: Job) -> dict[str, Any]:
        folder = self._folders.job(job.id)
        folder.mkdir(exist_ok=True)
        cache = folder / "cache" if job.private else self._folders.shared
        content: dict[str, Any] = {
            "recipe": plain(job.read()),
            "gpu_seconds": self._limits.gpu_seconds,
        }
        if job.id in self._tokens:
            content["token"] = self._tokens[job.id]
        return request("merge", folder, cache, self._limits, content)

    def _carry_out(self, job: Job, worker: Worker, watch: Watch) -> None:
        begun = time.monotonic()
        try:
            worker.run(watch.hear, self._limits.merge_seconds)
            ended = job.finished(watch.end())
        except Refused as refused:
            ended = job.failed(refused.refusal)
        except Exception as error:  # one job must never end the thread that serves everybody
            log("worker_not_heard", error=repr(error))
            ended = job.failed(Refusal(kind=type(error).__name__, what="Something went wrong"))
        ended = self._settle(ended)
        self._metrics.record("merge", str(ended.state), time.monotonic() - begun)

    def _settle(self, ended: Job) -> Job:
        """Write down how a job ended, unless its owner or the program ended it before."""
        with self._turn:
            self._workers.pop(ended.id, None)
            now = self._store.get(ended.id)
            if now is None or now.has_ended:
                ended = now or ended.stopped()
            elif self._closing and ended.state is State.FAILED:
                ended = ended.again()
                self._store.put(ended)
            else:
                self._end(ended)
            if ended.state is not State.DONE:
                self._folders.remove(ended.id)
                if not self._workers:
                    self._folders.forget_halves()
        return ended

    def _end(self, job: Job) -> None:
        self._store.put(job)
        self._tokens.pop(job.id, None)
        self._watches.pop(job.id, None)
        kind = job.refusal.kind if job.refusal else None
        log("ended", job=job.id[:6], state=str(job.state), refusal=kind)

    def _begin_again(self) -> None:
        """What a program before this one left waits again, but for what needs a token."""
        for job in (*self._store.running(), *self._store.waiting()):
            self._folders.remove(job.id)
            self._store.put(job.failed(RESTARTED) if job.private else job.again())
        self._folders.sweep(self._store.ids())
        self._folders.forget_halves()

    def _keep_tidy(self) -> None:
        while True:
            with self._turn:
                if self._turn.wait_for(lambda: self._closing, timeout=TIDY_EVERY):
                    return
            try:
                self.tidy()
            except Exception as error:  # what cannot be tidied now may be in a minute
                log("not_tidied", error=repr(error))

    def _too_many(self) -> Iterator[Job]:
        """Everybody's oldest results beyond what one person may keep."""
        kept: dict[str, int] = {}
        for job in self._store.done(-1):  # sqlite: no limit
            kept[job.owner] = kept.get(job.owner, 0) + 1
            if kept[job.owner] > self._limits.kept_per_person:
                yield job
