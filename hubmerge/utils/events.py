"""Events of a run while it goes on, for an interface that shows them.

One listener per process. It is called from any thread, and must be quick and raise nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass


@dataclass(frozen=True)
class Stage:
    """A stage of the run begins."""

    name: str


@dataclass(frozen=True)
class Progress:
    """So much of something is done.

    depth: 0 for the bar that contains all others, 1 for those directly inside it, ...
    """

    what: str
    done: int
    total: int
    unit: str
    depth: int = 0


@dataclass(frozen=True)
class Point:
    """A point of a path was measured; the loss is in nats."""

    path: str
    lam: float
    loss: float
    accuracy: float


Event = Stage | Progress | Point
Listener = Callable[[Event], None]

_listener: Listener | None = None


@contextmanager
def listening(listener: Listener) -> Iterator[None]:
    """Inside, `listener` hears every event of this process."""
    global _listener
    before, _listener = _listener, listener
    try:
        yield
    finally:
        _listener = before


def is_heard() -> bool:
    """Whether there is a listener."""
    return _listener is not None


def emit(event: Event) -> None:
    """Passes `event` to the listener, if there is one."""
    if _listener is not None:
        _listener(event)
