"""How long a command has taken and may take yet, from the events of its run.

A stage's loop that is under way is extrapolated by its done share. Stages that are still to come
are taken to last as long, by their usual shares, as those that are over did.
"""

from __future__ import annotations

from dataclasses import dataclass

from hubmerge.utils.events import Event, Progress, Stage

STAGES = {
    "plan": ("reading configurations", 3.0),
    "load": ("loading", 10.0),
    "match": ("matching", 35.0),
    "fuse and repair": ("fusing", 7.0),
    "save": ("saving", 5.0),
    "measure": ("measuring", 38.0),
    "publish": ("publishing", 2.0),
}
"""Stage of a merge, in order -> what it is called, and its usual share of the time."""
SETTLED = 0.05
"""Share of a loop, and of all stages, from which on something is extrapolated."""

ALMOST = 0.99
"""What is shown as done at most, for a command that goes on."""


@dataclass(frozen=True)
class State:
    """How far a command is.

    what: is being done. share: of the whole that is done, 0 to 1. elapsed, remaining: seconds;
    remaining is None while it cannot be told.
    """

    what: str
    share: float
    elapsed: float
    remaining: float | None


class Estimate:
    """Follows the events of one run.

    Parameters:
        start: seconds on the clock by which all times are given.
        expected: stages that will come; none for a command that has no stages.
    """

    def __init__(self, start: float, expected: tuple[str, ...] = ()) -> None:
        self._start, self._expected = start, expected
        self._stage, self._stage_start = "", start
        self._seconds: dict[str, float] = {}
        self._bars: dict[int, Progress] = {}
        self._bar_start = start
        self._share = 0.0

    def take(self, event: Event, now: float) -> None:
        """Takes one event."""
        if isinstance(event, Stage):
            if self._stage:
                self._seconds[self._stage] = now - self._stage_start
            self._stage, self._stage_start, self._bars = event.name, now, {}
        elif isinstance(event, Progress):
            if event.depth == 0 and (event.done == 0 or 0 not in self._bars):
                self._bar_start = now
            outer = {depth: bar for depth, bar in self._bars.items() if depth < event.depth}
            self._bars = {**outer, event.depth: event}

    def state(self, now: float) -> State:
        """How far it is. The share never falls."""
        remaining = self._remaining(now)
        elapsed = now - self._start
        if remaining is not None:
            share = min(ALMOST, elapsed / (elapsed + remaining)) if elapsed else 0.0
            self._share = max(self._share, share)
        return State(self._what(), self._share, elapsed, remaining)

    def _what(self) -> str:
        stage = STAGES[self._stage][0] if self._stage in STAGES else self._stage
        bar = self._bars.get(0)
        inner = bar.what if bar and bar.done < bar.total and bar.total > 1 else ""
        if inner.startswith(stage):
            return inner or "starting"
        return f"{stage}: {inner}" if inner else stage

    def _remaining(self, now: float) -> float | None:
        """Seconds left: of the loop, or of the stage by its usual share, and of later stages."""
        inside = self._inside(now)
        if not self._expected or self._stage not in STAGES:
            return inside
        over = sum(STAGES[name][1] for name in self._seconds if name in STAGES)
        places = [*self._expected]
        later = places[places.index(self._stage) + 1 :] if self._stage in places else []
        to_come = sum(STAGES[name][1] for name in later)
        current = STAGES[self._stage][1]
        if over >= SETTLED * (over + current + to_come):
            rate = sum(self._seconds.values()) / over
            usual = max(0.0, rate * current - (now - self._stage_start))
            here = max(usual, inside or 0.0)
            return here + max(rate, (now - self._start + here) / (over + current)) * to_come
        if inside is None:
            return None
        return inside + (now - self._start + inside) / (over + current) * to_come

    def _inside(self, now: float) -> float | None:
        """Seconds left of the outermost loop that is under way."""
        bar = self._bars.get(0)
        if bar is None or bar.total < 2 or not SETTLED <= bar.done / bar.total < 1:
            return None
        return (now - self._bar_start) * (bar.total - bar.done) / bar.done


def expected_stages(*, matched: bool, measured: bool, published: bool) -> tuple[str, ...]:
    """The stages that a merge goes through."""
    left_out = {
        "match": not matched,
        "measure": not measured,
        "publish": not published,
    }
    return tuple(name for name in STAGES if not left_out.get(name, False))
