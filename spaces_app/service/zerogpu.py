"""Workers on ZeroGPU, which gives a process with a GPU for the duration of a call.

The package `spaces` is imported only where the environment says that this is ZeroGPU; it is
preinstalled there.
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
from spaces_app.service.log import redact
from spaces_app.service.worker import Worker
from spaces_app.service.worker_main import handle_request

ZEROGPU = "SPACES_ZERO_GPU"
"""Environment variable set on ZeroGPU."""


def is_zerogpu() -> bool:
    """Whether this Space runs on ZeroGPU."""
    return os.environ.get(ZEROGPU, "").lower() in ("1", "t", "true")


def worker_for(request: dict[str, Any]) -> Worker:
    """The worker of a merge."""
    return ZeroGpuWorker(request) if is_zerogpu() else Worker(request)


@cache
def gpu_function() -> Any:
    """`run_on_gpu`, decorated by `spaces.GPU`. Must be called before the app is launched."""
    import spaces

    return spaces.GPU(run_on_gpu, duration=lambda request: request["gpu_seconds"])


def run_on_gpu(request: dict[str, Any]) -> Generator[dict[str, Any]]:
    """Inside the GPU process: yield its id, then the messages of a worker."""
    yield {"pid": os.getpid()}
    messages: SimpleQueue[dict[str, Any]] = SimpleQueue()
    threading.Thread(target=handle_request, args=(request, messages.put), daemon=True).start()
    while True:
        message = messages.get()
        yield message
        if "event" not in message:
            return


class ZeroGpuWorker(Worker):
    """A worker that runs in a process of ZeroGPU."""

    _gpu_pid: int | None = None

    @property
    def pid(self) -> int | None:
        """Id of the process, once it runs."""
        return self._gpu_pid

    def _messages(self) -> Generator[dict[str, Any]]:
        if self._stopped:
            raise Refused(self._stopped)
        self._start_clock()
        try:
            for message in gpu_function()(self._request):
                if "pid" not in message:
                    yield message
                    continue
                with self._lock:
                    self._gpu_pid = message["pid"]
                if self._stopped:
                    self._kill()
        except Refused:
            raise
        except Exception as error:  # raised by Gradio: no GPU, no quota, or the process died
            raise Refused(self._stopped or _unavailable(error)) from error

    def _kill(self) -> None:
        if self._gpu_pid is not None:
            with suppress(ProcessLookupError):
                os.kill(self._gpu_pid, signal.SIGKILL)


def _unavailable(error: Exception) -> Refusal:
    return Refusal(
        kind="GpuUnavailable",
        what="No GPU was available, or its time ran out",
        found=redact(str(error)),
        hint="start it again later, or use fewer rows",
    )
