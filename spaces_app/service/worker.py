"""A worker process as the service sees it: start, messages, stop, exit."""

from __future__ import annotations

import json
import os
import signal
import threading
from collections.abc import Callable, Generator
from contextlib import closing, suppress
from typing import Any

from spaces_app.service.forkserver import forkserver
from spaces_app.service.job import Refusal, Refused
from spaces_app.service.log import log, redact
from spaces_app.service.worker_main import worker_main

EventHandler = Callable[[dict[str, Any]], None]

KILLED = Refusal(
    kind="WorkerKilled",
    what="The worker process was killed",
    found="most likely it ran out of memory",
    hint="use smaller models or fewer rows, and start it again",
)
LOST = Refusal(
    kind="WorkerLost",
    what="The worker process ended without an answer",
    hint="start it again",
)
SLOW = 10
"""Niceness of a process that has taken long."""
STOPPED = Refusal(kind="Stopped", what="Stopped, and its files removed.")


class Worker:
    """A process for one request. `run` may be called once; `stop` at any time, from any thread."""

    def __init__(self, request: dict[str, Any]) -> None:
        """request: the action, its folder and cache; a token is sent through the pipe only."""
        self._request = request
        self._process: Any = None
        self._lock = threading.Lock()
        self._stopped: Refusal | None = None
        self._timer: threading.Timer | None = None

    @property
    def pid(self) -> int | None:
        """Id of the process, once it runs."""
        return self._process.pid if self._process else None

    def run(
        self, on_event: EventHandler = lambda event: None, timeout: float | None = None
    ) -> dict[str, Any]:
        """Run the request and return the answer.

        timeout: seconds from the moment the process runs. Raises: Refused, whatever happens to it.
        """
        timer = threading.Timer(timeout, self._time_out, (timeout,)) if timeout else None
        self._timer = timer
        try:
            with closing(self._messages()) as messages:
                for message in messages:
                    if "event" in message:
                        on_event(message)
                    elif "done" in message:
                        return dict(message["done"])
                    else:
                        raise Refused(_refusal(message))
            raise Refused(self._stopped or LOST)
        finally:
            if timer:
                timer.cancel()

    def stop(self, why: Refusal = STOPPED) -> None:
        """End the process and all its children at once."""
        with self._lock:
            self._stopped = self._stopped or why
        self._kill()

    def slow_down(self) -> None:
        """Let other processes go first from now on."""
        pid = self.pid
        if pid is not None:
            with suppress(OSError):
                os.setpriority(os.PRIO_PGRP, pid, SLOW)

    def _start_clock(self) -> None:
        if self._timer:
            self._timer.daemon = True
            self._timer.start()

    def _messages(self) -> Generator[dict[str, Any]]:
        """Messages of the process, which is ended when the generator is closed."""
        ours, theirs = forkserver().Pipe()
        with self._lock:
            if self._stopped:
                raise Refused(self._stopped)
            self._process = forkserver().Process(target=worker_main, args=(theirs,), daemon=True)
            self._process.start()
        theirs.close()
        self._start_clock()
        try:
            with suppress(BrokenPipeError, ConnectionResetError):
                ours.send_bytes(json.dumps(self._request).encode())
            while (content := self._receive(ours)) is not None:
                yield json.loads(content)
            self._process.join()
            code = self._process.exitcode
            log("worker_lost", pid=self.pid, code=code)
            raise Refused(self._stopped or (KILLED if code < 0 else LOST))
        finally:
            ours.close()
            self._kill()
            self._process.join()

    @staticmethod
    def _receive(pipe: Any) -> bytes | None:
        try:
            return bytes(pipe.recv_bytes())
        except (EOFError, OSError):
            return None

    def _time_out(self, timeout: float) -> None:
        self.stop(Refusal(kind="TooLong", what=f"This took longer than {timeout:.0f} seconds"))

    def _kill(self) -> None:
        pid = self.pid
        if pid is None or self._process.exitcode is not None:
            return
        with suppress(ProcessLookupError):
            if os.getpgid(pid) == pid:  # else it has no group of its own yet
                os.killpg(pid, signal.SIGKILL)
            os.kill(pid, signal.SIGKILL)


def _refusal(message: dict[str, Any]) -> Refusal:
    if "refused" in message:
        fields = {
            name: redact(text) if isinstance(text, str) else None
            for name, text in message["refused"].items()
        }
        return Refusal.model_validate(fields)
    log("worker_broken", error=message["broken"], trace=message["trace"])
    return Refusal(
        kind=message["broken"],
        what="Internal error",
        found=message["broken"],
        hint="please report it",
    )
