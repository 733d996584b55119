"""The rate of learning: up, full, and down to nothing, at the end or once nothing is gained."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from hubmerge.training.schedule import WARM, LRSchedule


def test_the_rate_rises_is_full_and_falls_to_nothing():
    schedule = LRSchedule.over(300)
    rates = [schedule.rate(step) for step in range(schedule.end)]
    assert rates[0] < rates[5] < rates[WARM]
    assert set(rates[WARM:200]) == {1.0}
    assert rates[200:] == sorted(rates[200:], reverse=True)
    assert 0 < rates[-1] < 0.01
    assert schedule.rate(schedule.end) == 0


@given(st.integers(0, 5000), st.integers(0, 6000))
def test_a_course_that_slows_down_early_is_over_before_its_steps_are(steps, step):
    schedule = LRSchedule.over(steps)
    slower = schedule.falling(step)
    assert slower.end <= steps
    assert 0 <= slower.fall <= slower.end
    if step < schedule.fall:
        assert (slower.fall, slower.end) == (step, step + step // 2)
        assert slower.falling(step + 1) == slower  # it falls but once
    else:
        assert slower == schedule
