"""Inside a worker process: one request in, events and one answer out, and then it ends.

The token comes through the pipe and stays in this process's memory. When the program at the other
end goes away, so does this process, and everything it started.
"""

from __future__ import annotations

import json
import os
import resource
import signal
import tempfile
import threading
import time
import traceback
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from hubmerge.errors import HubmergeError
from hubmerge.utils.events import Event, Progress, listening
from spaces_app.service.plugins import allow_named_plugins

PRELOAD = (
    "hubmerge.pipeline.run",
    "hubmerge.pipeline.publish",
    "hubmerge.api",
    "matplotlib.backends.backend_agg",
    "sklearn.linear_model",
    "transformers.models.resnet.modeling_resnet",
    "transformers.models.vit.image_processing_pil_vit",
    "transformers.models.vit.modeling_vit",
)
"""Imported once, by the process that all workers are forked from."""

Deliver = Callable[[dict[str, Any]], None]

PAUSE = 0.1
"""Seconds between two pieces of progress of one depth."""


def serve(pipe: Connection) -> None:
    """What a worker process does from its first to its last breath."""
    os.setsid()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _die_first()
    request = json.loads(pipe.recv_bytes())
    threading.Thread(target=_end_with, args=(pipe,), daemon=True).start()
    answer(request, lambda message: pipe.send_bytes(json.dumps(message).encode()))
    os._exit(0)


def answer(request: dict[str, Any], deliver: Deliver) -> None:
    """Carry out `request`: events as they come, and then one answer, whatever it is."""
    send = Sender(deliver)
    try:
        send({"done": _carry_out(request, send)})
    except HubmergeError as error:
        from spaces_app.service.job import Refusal

        send({"refused": Refusal.of(error).model_dump()})
    except MemoryError:
        send({"refused": {"kind": "ResourceError", "what": "this took more memory than there is"}})
    except Exception as error:
        send({"broken": type(error).__name__, "trace": traceback.format_exc()[-4000:]})


class Sender:
    """Messages from any thread, one at a time; progress not more often than can be seen."""

    def __init__(self, deliver: Deliver) -> None:
        self._deliver, self._lock = deliver, threading.Lock()
        self._last: dict[int, float] = {}

    def __call__(self, message: dict[str, Any]) -> None:
        with self._lock:
            self._deliver(message)

    def hear(self, event: Event) -> None:
        """Pass an event on."""
        if isinstance(event, Progress) and event.done not in (0, event.total):
            now = time.monotonic()
            if now - self._last.get(event.depth, 0.0) < PAUSE:
                return
            self._last[event.depth] = now
        self({"event": type(event).__name__, **asdict(event)})


def _carry_out(request: dict[str, Any], send: Sender) -> dict[str, Any]:
    from hubmerge.hub.client import acting_for
    from spaces_app.service.actions import ACTS

    allow_named_plugins()
    _limit_memory(request.get("memory", 0))
    with tempfile.TemporaryDirectory(dir=request["work"], prefix="work-") as place:
        _settle(Path(place), Path(request["cache"]), request["hub"])
        with acting_for(request.get("token")), listening(send.hear):
            return ACTS[request["act"]](request)


def _settle(place: Path, cache: Path, hub: str) -> None:
    """Work in an empty folder, so that no name of a repository is taken for a folder here."""
    import datasets

    from hubmerge.utils.progress import be_quiet
    from hubmerge.utils.silence import silence_libraries

    here, scratch = place / "here", place / "scratch"
    here.mkdir()
    scratch.mkdir()
    os.chdir(here)
    tempfile.tempdir = str(scratch)
    os.environ |= {"HF_HUB_CACHE": str(cache), "HF_ENDPOINT": hub}
    datasets.config.HF_DATASETS_CACHE = scratch / "datasets"
    datasets.disable_progress_bars()
    be_quiet()
    silence_libraries()
    quiet = os.open(os.devnull, os.O_RDWR)
    for descriptor in (0, 1, 2):
        os.dup2(quiet, descriptor)


def _end_with(pipe: Connection) -> None:
    """Nothing more is ever sent to a worker: when the pipe closes, the program is gone."""
    with suppress(OSError, EOFError):
        pipe.recv_bytes()
    os.killpg(0, signal.SIGKILL)


def _die_first() -> None:
    """Where memory runs out, the system should end this process and not the program."""
    with suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text("1000")


def _limit_memory(size: int) -> None:
    if size:
        resource.setrlimit(resource.RLIMIT_DATA, (size, size))
