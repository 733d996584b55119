"""Work on strangers' text in a process of its own, bounded in time and memory.

Laying out Markdown and comparing files take quadratic time on some texts, and hold the interpreter
while they do: what takes too long is ended with its process, and never keeps the server busy.
"""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import threading
from collections import OrderedDict
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from hubmerge.localhub import limits

WALL = 20 * limits.TEXT_SECONDS
"""Seconds after which the process is ended even where it had no processor."""
REMEMBERED = 256
"""Answers that are kept, those that took too long included."""
REMEMBERED_SIZE = 2**16
"""Longest answer, in characters, that is kept."""


class TextProcess:
    """Calls functions of `hubmerge.localhub.text_work` by name, one at a time."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None
        self._turn = threading.Lock()
        self._kept = threading.Lock()
        self._known: OrderedDict[bytes, str | None] = OrderedDict()

    def __call__(self, name: str, *texts: str) -> str | None:
        """The answer; None where it took too long, too much memory, or others keep it busy."""
        line = json.dumps([name, *texts]).encode()
        key = hashlib.sha256(line).digest()
        with self._kept:
            if key in self._known:
                return self._known[key]
        if not self._turn.acquire(timeout=WALL / 4):
            return None
        try:
            answer = self._ask(line)
        finally:
            self._turn.release()
        if len(answer or "") <= REMEMBERED_SIZE:
            with self._kept:
                self._known[key] = answer
                while len(self._known) > REMEMBERED:
                    self._known.popitem(last=False)
        return answer

    def close(self) -> None:
        """Ends the process."""
        process, self._process = self._process, None
        if process is not None:
            process.kill()
            for pipe in (process.stdin, process.stdout):
                with suppress(OSError):
                    pipe.close()  # type: ignore[union-attr]
            process.wait()

    def _ask(self, line: bytes) -> str | None:
        process = self._process
        if process is None or process.poll() is not None:
            self.close()
            process = self._process = _start()
        timer = threading.Timer(WALL, process.kill)
        timer.daemon = True
        timer.start()
        try:
            process.stdin.write(line + b"\n")  # type: ignore[union-attr]
            process.stdin.flush()  # type: ignore[union-attr]
            answer = process.stdout.readline()  # type: ignore[union-attr]
        except OSError:
            answer = b""
        finally:
            timer.cancel()
        if not answer.endswith(b"\n"):
            self.close()
            return None
        return json.loads(answer)


def _start() -> subprocess.Popen[bytes]:
    """The process, with this one's modules and not with those of the current folder."""
    return subprocess.Popen(
        [sys.executable, "-P", "-m", "hubmerge.localhub.text_process"],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )


def _serve(work: dict[str, Callable[..., str]]) -> None:
    """Answer lines until there are none. The system ends this process at its limits."""
    for line in sys.stdin.buffer:
        name, *texts = json.loads(line)
        _clock(limits.TEXT_SECONDS)
        try:
            answer: Any = work[name](*texts)
        except Exception:  # also of memory: the text is shown as it was written
            answer = None
        _clock(0.0)
        sys.stdout.buffer.write(json.dumps(answer).encode() + b"\n")
        sys.stdout.buffer.flush()


def _clock(seconds: float) -> None:
    """Have the system end this process after so much processor time; 0: never."""
    with suppress(ImportError, AttributeError):  # not on Windows: there the server's timer does
        import signal

        signal.setitimer(signal.ITIMER_PROF, seconds)


def _limit_memory() -> None:
    with suppress(ImportError, ValueError, OSError):
        import resource

        resource.setrlimit(resource.RLIMIT_DATA, (limits.TEXT_BYTES, limits.TEXT_BYTES))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


if __name__ == "__main__":
    from hubmerge.localhub.text_work import WORK

    _limit_memory()
    _serve(WORK)
