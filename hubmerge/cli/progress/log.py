"""What a stderr that is no terminal gets of a long command: a line at each stage, and its times."""

from __future__ import annotations

import threading
import time
from typing import TextIO

from hubmerge.cli.progress.estimate import Estimate, State
from hubmerge.errors.printable import printable
from hubmerge.utils.durations import duration
from hubmerge.utils.events import Event, Stage

LONG = 10.0
"""Seconds from which on a command is long enough to speak of."""
AGAIN = 300.0
"""Seconds after which a stage that goes on is spoken of again."""


def times_of(state: State) -> str:
    """Seconds elapsed and, where that can be told, remaining."""
    elapsed = duration(int(state.elapsed), whole=True)
    if state.remaining is None:
        return elapsed
    return f"{elapsed}, about {duration(state.remaining, whole=True)} left"


class Log:
    """Writes a line when a stage begins, once the command is long, and while a stage goes on.

    Parameters:
        estimate: follows the events of the command.
        long, again: seconds, as `LONG` and `AGAIN`.
    """

    def __init__(
        self, estimate: Estimate, stream: TextIO, *, long: float = LONG, again: float = AGAIN
    ) -> None:
        self._estimate, self._stream, self._again = estimate, stream, again
        self._lock = threading.Lock()
        self._over = threading.Event()
        self._long = time.monotonic() + long
        self._next = self._long
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def take(self, event: Event) -> None:
        """Hears an event."""
        with self._lock:
            now = time.monotonic()
            self._estimate.take(event, now)
            if isinstance(event, Stage) and now >= self._long:
                self._write(now)

    def end(self) -> None:
        """Nothing is written any more."""
        self._over.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._over.wait(max(0.0, self._next - time.monotonic())):
            with self._lock:
                now = time.monotonic()
                if now >= self._next:
                    self._write(now)

    def _write(self, now: float) -> None:
        self._next = now + self._again
        state = self._estimate.state(now)
        what = " ".join(printable(state.what).split())
        try:
            self._stream.write(f"{what or 'working'}  {times_of(state)}\n")
            self._stream.flush()
        except (OSError, ValueError):  # its reader is gone
            self._over.set()
