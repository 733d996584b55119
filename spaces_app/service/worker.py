"""One worker process as the program sees it: started, heard, stopped, and mourned."""

from __future__ import annotations

import json
import os
import signal
import threading
from collections.abc import Callable, Generator
from contextlib import closing, suppress
from typing import Any

from spaces_app.service.forkserver import nursery
from spaces_app.service.job import Refusal, Refused
from spaces_app.service.log import log, scrubbed
from spaces_app.service.worker_main import serve

Hear = Callable[[dict[str, Any]], None]

KILLED = Refusal(
    kind="WorkerKilled",
    what="The process that worked on this was killed",
    found="most likely there was not enough memory",
    hint="smaller models or fewer rows; nothing else was touched, so you can start it again",
)
LOST = Refusal(
    kind="WorkerLost",
    what="The process that worked on this ended without an answer",
    hint="start it again; nothing else was touched",
)
STOPPED = Refusal(kind="Stopped", what="Stopped. Nothing of it is left.")


class Worker:
    """A process for one request. `run` may be called once; `stop` at any time, from any thread."""

    def __init__(self, request: dict[str, Any]) -> None:
        """request: the act, its folder and cache; a token in it goes through the pipe alone."""
        self._request = request
        self._process: Any = None
        self._lock = threading.Lock()
        self._stopped: Refusal | None = None

    @property
    def pid(self) -> int | None:
        """Of the process, once it runs."""
        return self._process.pid if self._process else None

    def run(self, hear: Hear = lambda event: None, patience: float | None = None) -> dict[str, Any]:
        """Work until the end; the answer.

        patience: seconds it may take. Raises: Refused, whatever happens to the process.
        """
        timer = threading.Timer(patience, self._time_out, (patience,)) if patience else None
        if timer:
            timer.daemon = True
            timer.start()
        try:
            with closing(self._messages()) as messages:
                for message in messages:
                    if "event" in message:
                        hear(message)
                    elif "done" in message:
                        return dict(message["done"])
                    else:
                        raise Refused(_refusal(message))
            raise Refused(self._stopped or LOST)
        finally:
            if timer:
                timer.cancel()

    def stop(self, why: Refusal = STOPPED) -> None:
        """End the process and all it started, now."""
        with self._lock:
            self._stopped = self._stopped or why
        self._kill()

    def _messages(self) -> Generator[dict[str, Any]]:
        """What the process says; when nobody listens any more, it is ended."""
        ours, theirs = nursery().Pipe()
        with self._lock:
            if self._stopped:
                raise Refused(self._stopped)
            self._process = nursery().Process(target=serve, args=(theirs,), daemon=True)
            self._process.start()
        theirs.close()
        try:
            with suppress(BrokenPipeError, ConnectionResetError):
                ours.send_bytes(json.dumps(self._request).encode())
            while (said := self._heard(ours)) is not None:
                yield json.loads(said)
            self._process.join()
            code = self._process.exitcode
            log("worker_lost", pid=self.pid, code=code)
            raise Refused(self._stopped or (KILLED if code < 0 else LOST))
        finally:
            ours.close()
            self._kill()
            self._process.join()

    @staticmethod
    def _heard(pipe: Any) -> bytes | None:
        try:
            return bytes(pipe.recv_bytes())
        except (EOFError, OSError):
            return None

    def _time_out(self, patience: float) -> None:
        self.stop(Refusal(kind="TooLong", what=f"This took longer than {patience:.0f} seconds"))

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
            name: scrubbed(text) if isinstance(text, str) else None
            for name, text in message["refused"].items()
        }
        return Refusal.model_validate(fields)
    log("worker_broken", error=message["broken"], trace=message["trace"])
    return Refusal(
        kind=message["broken"],
        what="Something went wrong that should not have",
        found=message["broken"],
        hint="please report it; nothing else was touched",
    )
