"""Turns of short tasks: the slow ones of one visitor keep no other waiting."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

import pytest

from hubmerge.errors import ResourceError
from spaces_app.service.lanes import Lanes
from spaces_app.service.visitors import anonymous_visitor, hub_visitor

MALLORY, OTHER = anonymous_visitor("mallory").key, anonymous_visitor("other").key
SIGNED_IN = hub_visitor("me", "token").key
PATIENCE = 10.0


class Tasks:
    """Tasks in lanes, each under way until it is ended."""

    def __init__(self, lanes: Lanes) -> None:
        self._lanes, self._threads = lanes, list[threading.Thread]()
        self.under_way: list[str] = []
        self.ended: list[str] = []
        self.refused: list[str] = []
        self._ends: list[threading.Event] = []

    def start(self, visitor: str, name: str = "") -> None:
        end = threading.Event()
        self._ends.append(end)

        def run() -> None:
            try:
                with self._lanes.turn(visitor) as turn:
                    turn.end = end.set
                    self.under_way.append(name or visitor)
                    end.wait(PATIENCE)
                    self.ended.append(name or visitor)
            except ResourceError:
                self.refused.append(name or visitor)

        self._threads.append(threading.Thread(target=run, daemon=True))
        self._threads[-1].start()

    def finish(self) -> None:
        for end in self._ends:
            end.set()
        for thread in self._threads:
            thread.join(PATIENCE)


def until(true: Callable[[], object]) -> None:
    end = time.monotonic() + PATIENCE
    while not true():
        assert time.monotonic() < end
        time.sleep(0.005)


@pytest.fixture
def tasks() -> Tasks:
    return Tasks(Lanes(fast=2, slow=2, seconds=0.1, waiting=8))


def test_slow_tasks_leave_the_lane_to_others(tasks: Tasks) -> None:
    for _ in range(4):
        tasks.start(MALLORY)
    until(lambda: len(tasks.under_way) == 4)
    tasks.start(OTHER)
    until(lambda: OTHER in tasks.under_way)
    tasks.finish()


def test_where_too_many_are_slow_the_greediest_visitor_pays(tasks: Tasks) -> None:
    tasks.start(OTHER, "other")
    until(lambda: tasks.under_way == ["other"])
    for number in range(2):
        tasks.start(MALLORY, f"mallory {number}")
        until(lambda: len(tasks.under_way) == 2 + number)  # noqa: B023
    until(lambda: tasks.ended)
    assert tasks.ended == ["mallory 0"]
    tasks.finish()


def test_the_next_place_goes_to_whoever_has_the_fewest() -> None:
    tasks = Tasks(Lanes(fast=1, slow=9, seconds=PATIENCE, waiting=8))
    tasks.start(MALLORY, "first")
    until(lambda: tasks.under_way == ["first"])
    lanes = tasks._lanes
    for visitor in (MALLORY, MALLORY, OTHER):
        tasks.start(visitor)
        until(lambda: tasks._threads[-1].is_alive())
    until(lambda: len(lanes._waiting) == 3)
    lanes._leave_fast_lane(lanes._fast[0])
    until(lambda: len(tasks.under_way) == 2)
    assert tasks.under_way[1] == OTHER
    tasks.finish()


def test_nobody_may_fill_the_queue() -> None:
    tasks = Tasks(Lanes(fast=1, slow=1, seconds=PATIENCE, waiting=8))
    tasks.start(MALLORY, "first")
    until(lambda: tasks.under_way == ["first"])
    for number in range(4):
        tasks.start(MALLORY, f"mallory {number}")
    until(lambda: len(tasks.refused) == 2)
    tasks.finish()
    assert len(tasks.ended) == 3


def test_a_full_queue_has_room_for_who_signed_in() -> None:
    lanes = Lanes(fast=1, slow=1, seconds=PATIENCE, waiting=4)
    tasks = Tasks(lanes)
    tasks.start(OTHER, "first")
    until(lambda: tasks.under_way == ["first"])
    for number in range(4):
        tasks.start(anonymous_visitor(str(number)).key, str(number))
    until(lambda: len(lanes._waiting) == 4)
    tasks.start(anonymous_visitor("late").key, "late")
    until(lambda: tasks.refused == ["late"])
    tasks.start(SIGNED_IN, "me")
    until(lambda: len(tasks.refused) == 2)
    tasks.finish()
    assert "me" in tasks.ended


def test_a_turn_that_ends_by_an_error_frees_its_place() -> None:
    lanes = Lanes(fast=1, slow=1, seconds=PATIENCE, waiting=4)

    def broken() -> None:
        with lanes.turn(OTHER):
            raise ValueError("broken")

    for _ in range(3):
        with pytest.raises(ValueError, match="broken"):
            broken()
