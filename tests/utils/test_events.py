"""Events while work goes on."""

from __future__ import annotations

from hubmerge.utils.events import Event, Progress, Stage, emit, listening
from hubmerge.utils.progress import be_quiet, track
from hubmerge.utils.stopwatch import Stopwatch
from hubmerge.utils.workers import Workers


def heard(act) -> list[Event]:
    reported: list[Event] = []
    with listening(reported.append):
        act()
    return reported


def test_tracked_work_is_reported_though_no_bar_is_shown() -> None:
    def act() -> None:
        be_quiet()
        with Stopwatch().stage("match"), track(2, "outer") as outer:
            outer.update(1)
            with track(3, "inner", "row") as inner:
                inner.update(3)
            outer.update(1)

    assert heard(act) == [
        Stage("match"),
        Progress("outer", 0, 2, "it", 0),
        Progress("outer", 1, 2, "it", 0),
        Progress("inner", 0, 3, "row", 1),
        Progress("inner", 3, 3, "row", 1),
        Progress("outer", 2, 2, "it", 0),
    ]


def test_threads_lose_no_step() -> None:
    reported = heard(lambda: Workers(threads=4).map(lambda item: item, range(200), "items"))
    assert [event.done for event in reported] == list(range(201))


def test_events_outside_a_listening_block_are_not_heard() -> None:
    reported = heard(lambda: None)
    emit(Stage("plan"))
    assert reported == []


def test_depth_is_that_of_the_bars_around_it() -> None:
    def act() -> None:
        for _ in range(2):
            with track(1, "one"), track(1, "two"):
                pass

    assert [event.depth for event in heard(act)] == [0, 1, 0, 1]
