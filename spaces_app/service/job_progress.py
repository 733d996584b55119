"""What is known of a job while it is worked on."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, field
from typing import Any

STAGES = {
    "plan": "Looking at the models",
    "load": "Downloading and loading",
    "match": "Finding out which unit is which",
    "fuse and repair": "Averaging and repairing",
    "save": "Saving, and reading back",
    "measure": "Measuring against everything else",
    "prepare": "Getting ready to be tried",
}
"""Stages of the work that are shown, in their order, in plain words."""


@dataclass(frozen=True)
class Bar:
    """So much of something is done."""

    what: str
    done: int
    total: int
    unit: str

    @property
    def share(self) -> float:
        """From 0 to 1."""
        return self.done / self.total if self.total else 0.0


@dataclass(frozen=True)
class Seen:
    """A moment of a job."""

    stage: str = ""
    in_stage: float = 0.0
    """Seconds since the stage began."""
    seconds: dict[str, float] = field(default_factory=dict)
    """Of the stages before it."""
    bar: Bar | None = None
    """The outermost one with more than one step."""
    in_bar: float = 0.0
    """Seconds since the outermost one began."""
    inner: Bar | None = None
    """The innermost one, if that is another."""
    points: dict[str, list[tuple[float, float, float]]] = field(default_factory=dict)
    """Path -> (lambda, loss, accuracy) of what was measured on it, by lambda."""


class Watch:
    """Hears a worker's events; tells what they add up to."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._stage, self._since = "", time.monotonic()
        self._seconds: dict[str, float] = {}
        self._bars: dict[int, Bar] = {}
        self._bar_since = self._since
        self._points: dict[str, dict[float, tuple[float, float]]] = {}

    def hear(self, message: dict[str, Any]) -> None:
        """Take in one event as the worker sent it."""
        with self._lock:
            match message["event"]:
                case "Stage":
                    self._close_stage()
                    self._stage = message["name"]
                case "Progress":
                    depth = message["depth"]
                    if depth == 0 and message["done"] == 0:
                        self._bar_since = time.monotonic()
                    kept = {key: bar for key, bar in self._bars.items() if key < depth}
                    names = ("what", "done", "total", "unit")
                    self._bars = kept | {depth: Bar(*(message[name] for name in names))}
                case "Point":
                    path = self._points.setdefault(message["path"], {})
                    path[message["lam"]] = (message["loss"], message["accuracy"])

    def seen(self) -> Seen:
        """How far it is now."""
        with self._lock:
            bars = [bar for _, bar in sorted(self._bars.items()) if bar.total > 1]
            inner = bars[-1] if len(bars) > 1 else None
            points = {
                name: [(lam, *measured) for lam, measured in sorted(path.items())]
                for name, path in self._points.items()
            }
            in_stage = time.monotonic() - self._since
            outer = bars[0] if bars else None
            in_bar = time.monotonic() - self._bar_since
            return Seen(self._stage, in_stage, dict(self._seconds), outer, in_bar, inner, points)

    def end(self) -> dict[str, float]:
        """Stage -> seconds of all of them, the last one included."""
        with self._lock:
            self._close_stage()
            return dict(self._seconds)

    def _close_stage(self) -> None:
        now = time.monotonic()
        if self._stage:
            self._seconds[self._stage] = round(now - self._since, 3)
        self._since, self._bars = now, {}
