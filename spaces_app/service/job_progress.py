"""Progress of a running job, collected from the events of its worker."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, field
from typing import Any

STAGES = {
    "plan": "Reading the models' configuration",
    "load": "Downloading and loading",
    "match": "Matching units",
    "fuse and repair": "Fusing and repairing",
    "save": "Saving and checking the files",
    "measure": "Evaluating the merge and its parents",
    "prepare": "Preparing predictions",
}
"""Stages in their order -> description on the page."""


@dataclass(frozen=True)
class Bar:
    """Progress of one loop."""

    what: str
    done: int
    total: int
    unit: str

    @property
    def share(self) -> float:
        """Completed share, from 0 to 1."""
        return self.done / self.total if self.total else 0.0


@dataclass(frozen=True)
class JobProgress:
    """Progress of a job at one moment."""

    stage: str = ""
    stage_seconds: float = 0.0
    """Seconds since the stage started."""
    seconds: dict[str, float] = field(default_factory=dict)
    """Completed stage -> seconds."""
    bar: Bar | None = None
    """The outermost loop of more than one step."""
    bar_seconds: float = 0.0
    """Seconds since the outermost loop started."""
    inner: Bar | None = None
    """The innermost loop, if that is another one."""
    points: dict[str, list[tuple[float, float, float]]] = field(default_factory=dict)
    """Path -> measured (lambda, loss, accuracy), sorted by lambda."""


class ProgressTracker:
    """Collects the events of one worker."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._stage, self._since = "", time.monotonic()
        self._seconds: dict[str, float] = {}
        self._bars: dict[int, Bar] = {}
        self._bar_since = self._since
        self._points: dict[str, dict[float, tuple[float, float]]] = {}

    def handle(self, message: dict[str, Any]) -> None:
        """Take one event of the worker."""
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

    def progress(self) -> JobProgress:
        """The progress so far."""
        with self._lock:
            bars = [bar for _, bar in sorted(self._bars.items()) if bar.total > 1]
            inner = bars[-1] if len(bars) > 1 else None
            points = {
                name: [(lam, *measured) for lam, measured in sorted(path.items())]
                for name, path in self._points.items()
            }
            stage_seconds = time.monotonic() - self._since
            outer = bars[0] if bars else None
            bar_seconds = time.monotonic() - self._bar_since
            return JobProgress(
                self._stage, stage_seconds, dict(self._seconds), outer, bar_seconds, inner, points
            )

    def end(self) -> dict[str, float]:
        """Stage -> seconds, after the last event."""
        with self._lock:
            self._close_stage()
            return dict(self._seconds)

    def _close_stage(self) -> None:
        now = time.monotonic()
        if self._stage:
            self._seconds[self._stage] = round(now - self._since, 3)
        self._since, self._bars = now, {}
