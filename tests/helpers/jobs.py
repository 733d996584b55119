"""Jobs of the Space, their workers, and waiting for what becomes of them."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest

from hubmerge.recipe import Recipe, make_recipe
from spaces_app.service.jobs import JobService, JobStatus
from spaces_app.service.visitors import Visitor
from spaces_app.service.worker import Worker

PATIENCE = 120


class Workers:
    """All that are started, and moments at which something befalls one of them.

    `on` says what happens when one begins a stage; `killed_at_once` kills the next one as soon as
    it was given its work; `halt` and `halt_at_once` have one stand still, as it is, until `go_on`.
    """

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self.last: Worker | None = None
        self.on: dict[str, Callable[[], None]] = {}
        self.killed_at_once = False
        self._halted_at_once = False
        self._halting: Callable[[dict[str, Any]], bool] | None = None
        self._halted = threading.Event()
        self._standing: int | None = None
        run, heard, workers = Worker.run, Worker._receive, self

        def watched(worker: Worker, on_event: Any = lambda event: None, timeout: Any = None) -> Any:
            def listen(message: dict[str, Any]) -> None:
                on_event(message)
                if workers._halting is not None and workers._halting(message):
                    workers._halt(worker)
                if message["event"] == "Stage" and message["name"] in workers.on:
                    workers.on.pop(message["name"])()

            workers.last = worker
            return run(worker, listen, timeout)

        def listening(pipe: Any) -> bytes | None:
            if workers.killed_at_once:
                workers.killed_at_once = False
                workers.kill()
            if workers._halted_at_once and workers.last is not None:
                workers._halted_at_once = False
                workers._halt(workers.last)
            return heard(pipe)

        patch.setattr(Worker, "run", watched)
        patch.setattr(Worker, "_receive", staticmethod(listening))

    def kill(self) -> None:
        """The one that was started last."""
        until(lambda: self.last is not None and self.last.pid is not None)
        assert self.last is not None
        os.kill(self.last.pid or 0, signal.SIGKILL)
        self.last = None

    def halt(self, when: Callable[[dict[str, Any]], bool]) -> None:
        """The first that tells something of this kind stands still from then on."""
        self._halted.clear()
        self._halting = when

    def halt_at_once(self) -> None:
        """The next that is given work stands still before its first word."""
        self._halted.clear()
        self._halted_at_once = True

    def halted(self) -> None:
        """Returns when one stands still."""
        assert self._halted.wait(PATIENCE)

    def go_on(self) -> None:
        """The halted worker continues; none is to halt any more."""
        self._halting = None
        pid, self._standing = self._standing, None
        if pid is not None:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)

    def _halt(self, worker: Worker) -> None:
        self._halting = None
        self._standing = worker.pid
        os.kill(worker.pid or 0, signal.SIGSTOP)
        self._halted.set()


def begins(stage: str) -> Callable[[dict[str, Any]], bool]:
    """Of what a worker tells: that it begins this stage."""
    return lambda message: message["event"] == "Stage" and message["name"] == stage


def quick(family: str = "mlp", **changes: object) -> Recipe:
    """A merge that takes two seconds."""
    fields = {"models": (f"me/{family}-a", f"me/{family}-b"), "dataset": "me/digits"}
    fields["effort"] = "quick"
    small = {"match": "weights", "samples": 60, "calibration_samples": 60}
    return make_recipe(**{**fields, **small, **changes})


def until(happened: Callable[[], bool], patience: float = PATIENCE) -> None:
    deadline = time.monotonic() + patience
    while not happened():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def ended(jobs: JobService, visitor: Visitor, number: str) -> JobStatus:
    """The job, once it has ended."""
    until(lambda: jobs.status(visitor, number).job.has_ended)
    return jobs.status(visitor, number)
