"""A process with a GPU, as ZeroGPU lends one for the length of a call.

`spaces` is imported where the environment says that this is ZeroGPU, and nowhere else; there it is
on the machine already. Outside ZeroGPU its mark changes nothing.
"""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Generator
from contextlib import suppress
from functools import cache
from queue import SimpleQueue
from typing import Any

from spaces_app.service.job import Refusal, Refused
from spaces_app.service.log import scrubbed
from spaces_app.service.worker import Worker
from spaces_app.service.worker_main import answer

ZERO = "SPACES_ZERO_GPU"
"""Set by the machines of ZeroGPU."""


def is_lent() -> bool:
    """Whether GPUs are lent per call here."""
    return os.environ.get(ZERO, "").lower() in ("1", "t", "true")


def worker_for(request: dict[str, Any]) -> Worker:
    """A worker for what a GPU makes faster: a merge."""
    return Lent(request) if is_lent() else Worker(request)


@cache
def marked() -> Any:
    """`work`, marked as needing a GPU. To be called before the app is launched."""
    import spaces

    return spaces.GPU(work, duration=lambda request: request["gpu_seconds"])


def work(request: dict[str, Any]) -> Generator[dict[str, Any]]:
    """In the process that is lent: who it is, then what a worker says."""
    yield {"pid": os.getpid()}
    said: SimpleQueue[dict[str, Any]] = SimpleQueue()
    threading.Thread(target=answer, args=(request, said.put), daemon=True).start()
    while True:
        message = said.get()
        yield message
        if "event" not in message:
            return


class Lent(Worker):
    """A worker whose process is ZeroGPU's."""

    _lent: int | None = None

    @property
    def pid(self) -> int | None:
        """Of the process, once it was lent."""
        return self._lent

    def _messages(self) -> Generator[dict[str, Any]]:
        if self._stopped:
            raise Refused(self._stopped)
        try:
            for message in marked()(self._request):
                if "pid" not in message:
                    yield message
                    continue
                with self._lock:
                    self._lent = message["pid"]
                if self._stopped:
                    self._kill()
        except Refused:
            raise
        except Exception as error:  # of Gradio's: no GPU, no time left, or the process is gone
            raise Refused(self._stopped or _not_lent(error)) from error

    def _kill(self) -> None:
        if self._lent is not None:
            with suppress(ProcessLookupError):
                os.kill(self._lent, signal.SIGKILL)


def _not_lent(error: Exception) -> Refusal:
    return Refusal(
        kind="GpuNotLent",
        what="No GPU was lent for this, or it was taken back before the end",
        found=scrubbed(str(error)),
        hint="start it again later, or with fewer rows",
    )
