"""The cards of examples: a result with its curves, or words, and never an empty picture."""

from __future__ import annotations

import pytest

from spaces_app.host import Example
from spaces_app.service.job import Job, State
from spaces_app.ui.welcome import card
from tests.helpers.example_report import example as report

PAIR = Example("two MLPs", ("o/a", "o/b"), "o/data")


def job(state: State) -> Job:
    return Job(owner="example", recipe="", plan={}, state=state)


@pytest.mark.parametrize(
    ("found", "said", "label"),
    [
        (None, "Takes about a minute", "Merge them"),
        (job(State.WAITING), "Waits for its turn", "Watch"),
        (job(State.RUNNING), "Is being merged", "Watch"),
        (job(State.DONE), "Takes about a minute", "Merge them"),
    ],
)
def test_without_a_result_there_are_words_and_no_picture(
    found: Job | None, said: str, label: str
) -> None:
    shown = card(0, PAIR, found, None)
    assert said in shown
    assert f">{label}<" in shown
    assert "<svg" not in shown
    assert "data-again" not in shown


def test_a_result_shows_its_curves_its_verdict_and_can_be_run_again() -> None:
    shown = card(1, PAIR, job(State.DONE), report())
    assert shown.count("<polyline") == 2
    assert "hm-chip" in shown
    assert 'data-example="1" data-again' in shown
