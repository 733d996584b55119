"""The line itself: drawn on a terminal's stderr while a command works, and gone when it ends."""

from __future__ import annotations

import shutil
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TextIO

from hubmerge.cli.progress.estimate import Estimate, State
from hubmerge.cli.progress.log import Log, times_of
from hubmerge.utils.events import Event, listening

EVERY = 0.2
"""Seconds between two drawings."""
WIDTH = 20
"""Characters of the bar."""
CLEAR = "\r\x1b[2K"


def text_of(state: State, columns: int) -> str:
    """The line, at most `columns` wide."""
    filled = round(WIDTH * state.share)
    times = times_of(state)
    bar = f"[{'#' * filled}{'.' * (WIDTH - filled)}]"
    room = max(0, columns - len(bar) - len(times) - 4)
    what = "".join(c if c.isprintable() else "?" for c in state.what)
    shown = what if len(what) <= room else f"{what[: max(0, room - 3)]}..."
    return f"{bar} {shown}  {times}"[: max(0, columns - 1)]


@contextmanager
def progress_line(expected: tuple[str, ...] = (), *, shown: bool = True) -> Iterator[None]:
    """Inside, a terminal shows one line: what is done, time elapsed, time left.

    Parameters:
        expected: the stages that will come.
        shown: False shows nothing. A stderr that is no terminal gets lines of a log instead.
    """
    stream = sys.stderr
    if not shown:
        yield
        return
    kind = Line if stream.isatty() else Log
    line = kind(Estimate(time.monotonic(), expected), stream)
    try:
        with listening(line.take):
            yield
    finally:
        line.end()


class Line:
    """Redraws the line from a thread of its own, as time passes without events too."""

    def __init__(self, estimate: Estimate, stream: TextIO) -> None:
        self._estimate, self._stream = estimate, stream
        self._lock = threading.Lock()
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def take(self, event: Event) -> None:
        with self._lock:
            self._estimate.take(event, time.monotonic())

    def end(self) -> None:
        self._over.set()
        self._thread.join()
        self._write(CLEAR)

    def _run(self) -> None:
        while not self._over.wait(EVERY):
            with self._lock:
                state = self._estimate.state(time.monotonic())
            columns = shutil.get_terminal_size().columns
            self._write(CLEAR + text_of(state, columns))

    def _write(self, text: str) -> None:
        try:
            self._stream.write(text)
            self._stream.flush()
        except (OSError, ValueError):  # the terminal is gone
            self._over.set()
