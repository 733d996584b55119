"""Entry point of a worker process: it reads one request, sends events and one answer, and exits.

The token is read from the pipe and kept in memory. When the pipe closes, this process and its
children are killed.
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

Send = Callable[[dict[str, Any]], None]

PROGRESS_SECONDS = 0.1
"""Shortest time between two progress messages of one depth."""


def worker_main(pipe: Connection) -> None:
    """Main function of a worker process."""
    os.setsid()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _prefer_for_oom_kill()
    request = json.loads(pipe.recv_bytes())
    threading.Thread(target=_exit_with_parent, args=(pipe,), daemon=True).start()
    handle_request(request, lambda message: pipe.send_bytes(json.dumps(message).encode()))
    os._exit(0)


def handle_request(request: dict[str, Any], send_message: Send) -> None:
    """Run `request` and send its events, then one answer or error."""
    send = Sender(send_message)
    try:
        send({"done": _run(request, send)})
    except HubmergeError as error:
        from spaces_app.service.job import Refusal

        send({"refused": Refusal.of(error).model_dump()})
    except MemoryError:
        send({"refused": {"kind": "ResourceError", "what": "not enough memory"}})
    except Exception as error:
        send({"broken": type(error).__name__, "trace": traceback.format_exc()[-4000:]})


class Sender:
    """Sends messages from any thread, one at a time, and limits the rate of progress."""

    def __init__(self, send: Send) -> None:
        self._send, self._lock = send, threading.Lock()
        self._last: dict[int, float] = {}

    def __call__(self, message: dict[str, Any]) -> None:
        with self._lock:
            self._send(message)

    def handle(self, event: Event) -> None:
        """Send an event."""
        if isinstance(event, Progress) and event.done not in (0, event.total):
            now = time.monotonic()
            if now - self._last.get(event.depth, 0.0) < PROGRESS_SECONDS:
                return
            self._last[event.depth] = now
        self({"event": type(event).__name__, **asdict(event)})


def _run(request: dict[str, Any], send: Sender) -> dict[str, Any]:
    from hubmerge.derivation.budget import SECONDS, deriving_within
    from hubmerge.hub.client import acting_for
    from spaces_app.service.actions import ACTIONS

    allow_named_plugins()
    _limit_memory(request.get("memory", 0))
    with tempfile.TemporaryDirectory(dir=request["work"], prefix="work-") as place:
        _isolate(Path(place), Path(request["cache"]), request["hub"])
        derivation = deriving_within(request.get("derive_seconds", SECONDS))
        with acting_for(request.get("token")), listening(send.handle), derivation:
            return ACTIONS[request["action"]](request)


def _isolate(place: Path, cache: Path, hub: str) -> None:
    """Work in an empty folder, where no repository id is also the name of a folder."""
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


def _exit_with_parent(pipe: Connection) -> None:
    """Kill the process group when the pipe closes: nothing more is ever sent through it."""
    with suppress(OSError, EOFError):
        pipe.recv_bytes()
    os.killpg(0, signal.SIGKILL)


def _prefer_for_oom_kill() -> None:
    """Have the system kill this process, not the service, when memory runs out."""
    with suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text("1000")


def _limit_memory(size: int) -> None:
    if size:
        resource.setrlimit(resource.RLIMIT_DATA, (size, size))
