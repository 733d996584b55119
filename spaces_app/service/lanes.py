"""Turns for short tasks, so that one visitor's slow ones do not delay others.

A task starts in the fast lane, whose next place goes to the visitor with the fewest tasks under
way. One that takes longer than a few seconds goes on in the slow lane, and its place in the fast
lane is free. Where the slow lane is full, the oldest task of the visitor with the most of them is
ended.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from hubmerge.errors import ResourceError
from spaces_app.service.visitors import is_anonymous


@dataclass(eq=False)
class Turn:
    """One task of a visitor, by their key.

    end: called to end it early. slow_down: called when it takes longer than others should wait for.
    """

    visitor: str
    end: Callable[[], None] = lambda: None
    slow_down: Callable[[], None] = lambda: None
    is_refused: bool = False


class Lanes:
    """Places for tasks of one kind.

    Parameters:
        fast: tasks in the fast lane. slow: in the slow lane.
        seconds: how long a task may stay in the fast lane.
        waiting: tasks that wait; a quarter of them may be of one visitor.
    """

    def __init__(self, fast: int, slow: int, seconds: float, waiting: int) -> None:
        self._places, self._slow_places = max(1, fast), max(1, slow)
        self._seconds, self._most = seconds, waiting
        self._waiting: list[Turn] = []
        self._fast: list[Turn] = []
        self._slow: list[Turn] = []
        self._condition = threading.Condition()

    @contextmanager
    def turn(self, visitor: str) -> Iterator[Turn]:
        """Wait for a place and keep it for the block. Raises: ResourceError, if too many wait."""
        turn = Turn(visitor)
        with self._condition:
            self._queue(turn)
            self._condition.wait_for(lambda: turn.is_refused or self._is_next(turn))
            if turn.is_refused:
                raise _busy()
            self._waiting.remove(turn)
            self._fast.append(turn)
            self._condition.notify_all()
        timer = threading.Timer(self._seconds, self._leave_fast_lane, (turn,))
        timer.daemon = True
        timer.start()
        try:
            yield turn
        finally:
            timer.cancel()
            with self._condition:
                for lane in (self._fast, self._slow):
                    if turn in lane:
                        lane.remove(turn)
                self._condition.notify_all()

    def _queue(self, turn: Turn) -> None:
        """Enter the queue, in place of someone with more tasks in it if it is full."""
        counts = Counter(each.visitor for each in self._waiting)
        if counts[turn.visitor] >= max(1, self._most // 4):
            raise ResourceError(
                f"{counts[turn.visitor]} of your requests are waiting already",
                hint="wait for one of them",
            )
        if len(self._waiting) >= self._most:

            def share(each: Turn, more: int = 0) -> tuple[bool, int]:
                return is_anonymous(each.visitor), counts[each.visitor] + more

            last = max(self._waiting, key=share)
            if share(last) <= share(turn, 1):
                raise _busy()
            last.is_refused = True
            self._waiting.remove(last)
            self._condition.notify_all()
        self._waiting.append(turn)

    def _is_next(self, turn: Turn) -> bool:
        if len(self._fast) >= self._places:
            return False
        under_way = Counter(each.visitor for each in (*self._fast, *self._slow))
        return min(self._waiting, key=lambda each: under_way[each.visitor]) is turn

    def _leave_fast_lane(self, turn: Turn) -> None:
        with self._condition:
            if turn not in self._fast:
                return
            self._fast.remove(turn)
            self._slow.append(turn)
            ended = None
            if len(self._slow) > self._slow_places:
                counts = Counter(each.visitor for each in self._slow)
                ended = max(self._slow, key=lambda each: counts[each.visitor])
                self._slow.remove(ended)
            self._condition.notify_all()
        turn.slow_down()
        if ended is not None:
            ended.end()


def _busy() -> ResourceError:
    return ResourceError(
        "too many visitors are waiting at the moment", hint="try again in a minute"
    )
