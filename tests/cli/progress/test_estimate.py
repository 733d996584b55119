"""What the line of progress says, by a clock of the test's own."""

from __future__ import annotations

import pytest

from hubmerge.cli.progress.estimate import STAGES, Estimate, expected_stages
from hubmerge.cli.progress.line import text_of
from hubmerge.utils.events import Progress, Stage

ALL = expected_stages(matched=True, measured=True, published=True)


def bar(done: int, total: int = 10, what: str = "rows", depth: int = 0) -> Progress:
    return Progress(what, done, total, "it", depth)


def test_a_loop_is_extrapolated_by_its_share():
    estimate = Estimate(100.0)
    estimate.take(bar(0), 100.0)
    assert estimate.state(101.0).remaining is None
    estimate.take(bar(4), 108.0)
    assert estimate.state(108.0).remaining == pytest.approx(12.0)
    assert estimate.state(108.0).share == pytest.approx(0.4)
    estimate.take(bar(10), 120.0)
    assert estimate.state(121.0).remaining is None


def test_a_run_at_its_usual_pace_is_told_right_from_the_first_stage_on():
    estimate, now = Estimate(0.0, ALL), 0.0
    whole = sum(STAGES[name][1] for name in ALL)
    for name in ALL:
        estimate.take(Stage(name), now)
        if name not in ("plan", "load"):
            assert estimate.state(now).remaining == pytest.approx(whole - now)
            assert estimate.state(now).share == pytest.approx(min(0.99, now / whole))
        now += STAGES[name][1]


def test_the_share_never_falls_and_ends_only_with_the_command():
    estimate, shares = Estimate(0.0, ALL), []
    for second, name in enumerate(ALL):
        estimate.take(Stage(name), 10.0 * second)
        for done in (0, 1, 9, 10):
            estimate.take(bar(done), 10.0 * second + done)
            shares.append(estimate.state(10.0 * second + done).share)
    assert shares == sorted(shares)
    assert 0.5 < shares[-1] < 1


def test_stages_that_a_recipe_leaves_out_are_not_waited_for():
    assert expected_stages(matched=False, measured=False, published=False) == (
        "plan",
        "load",
        "fuse and repair",
        "save",
    )


def test_the_line_fits_the_terminal_and_shows_no_control_characters():
    estimate = Estimate(0.0, ALL)
    estimate.take(Stage("match"), 1.0)
    estimate.take(bar(5, what="a\x1b[31m\nname " * 20), 2.0)
    estimate.take(bar(6, what="a\x1b[31m\nname " * 20), 70.0)
    for columns in (20, 80, 200):
        text = text_of(estimate.state(75.0), columns)
        assert len(text) < columns
        assert text.isprintable()
    assert "matching: a?[31m?name" in text_of(estimate.state(75.0), 200)
    assert "1 min 15 s, about" in text_of(estimate.state(75.0), 200)


def test_a_loop_called_as_its_stage_is_named_once():
    estimate = Estimate(0.0, ALL)
    estimate.take(Stage("match"), 1.0)
    estimate.take(bar(1, what="matching spaces"), 2.0)
    assert estimate.state(3.0).what == "matching spaces"


def test_nothing_is_foretold_before_the_first_stage():
    estimate = Estimate(0.0, ALL)
    assert estimate.state(75.0).remaining is None
    estimate.take(bar(5), 75.0)
    assert estimate.state(80.0).remaining is not None
    estimate.take(Stage("a stage of a plugin"), 90.0)
    assert estimate.state(91.0).remaining is None
