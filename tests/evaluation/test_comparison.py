from __future__ import annotations

import numpy as np
import pytest

from hubmerge.evaluation.comparison import accuracy_bounds, compare
from hubmerge.models.class_outputs import ClassOutputs


def paired(both, only_left, only_right, neither):
    left = np.repeat([True, True, False, False], [both, only_left, only_right, neither])
    right = np.repeat([True, False, True, False], [both, only_left, only_right, neither])
    return left, right


def contender(right, confidence=2.0):
    """Two classes, label 0, right where `right`."""
    sign = np.where(right, confidence, -confidence)
    return ClassOutputs(np.stack([sign, -sign], axis=1), np.zeros(len(right), dtype=int))


def test_bounds_by_hand():
    # n* = 102, b* = 10.5, c* = 5.5: 5/102 -+ 1.645 sqrt(16/102 - (5/102)^2) / sqrt(102)
    low, high = accuracy_bounds(*paired(70, 10, 5, 15))
    assert (low, high) == (pytest.approx(-0.014981, abs=1e-5), pytest.approx(0.113020, abs=1e-5))


def test_exchanging_the_two_turns_the_bounds_around():
    left, right = paired(70, 10, 5, 15)
    low, high = accuracy_bounds(left, right)
    assert accuracy_bounds(right, left) == (pytest.approx(-high), pytest.approx(-low))


def test_agreement_on_few_rows_proves_little_and_on_many_much():
    for rows, most in ((10, 0.3), (1000, 0.005)):
        low, high = accuracy_bounds(*paired(rows, 0, 0, 0))
        assert low == pytest.approx(-high)
        assert 0 < high < most


def test_one_sided_bounds_hold_in_19_of_20():
    draw = np.random.default_rng(0)
    cells = np.array([0.8, 0.08, 0.04, 0.08])
    truth = cells[1] - cells[2]
    wrong_low = wrong_high = 0
    for _ in range(2000):
        low, high = accuracy_bounds(*paired(*draw.multinomial(300, cells)))
        wrong_low += low > truth
        wrong_high += high < truth
    assert 0.03 < wrong_low / 2000 < 0.07
    assert 0.03 < wrong_high / 2000 < 0.07


def test_a_contender_against_itself():
    same = contender(paired(70, 10, 5, 15)[0])
    found = compare(same, same, "parent_a", merge_temperature=2.0, other_temperature=2.0)
    assert (found.other, found.accuracy_difference, found.n) == ("parent_a", 0.0, 100)
    assert found.accuracy_low < 0 < found.accuracy_high
    assert (found.calibrated_loss_difference, found.calibrated_loss_low) == (0.0, 0.0)


def test_the_difference_is_merge_minus_other():
    merge, other = map(contender, paired(700, 20, 180, 100))
    found = compare(merge, other, "parent_b", merge_temperature=1.0, other_temperature=1.0)
    assert found.accuracy_difference == pytest.approx(-0.16)
    assert found.accuracy_low < -0.16 < found.accuracy_high < 0
    assert found.calibrated_loss_difference == pytest.approx(0.16 * 4)
    assert 0 < found.calibrated_loss_low < 0.64 < found.calibrated_loss_high


def test_temperatures_are_each_contenders_own():
    right = paired(80, 0, 0, 20)[0]
    found = compare(
        contender(right, 2.0),
        contender(right, 6.0),
        "naive",
        merge_temperature=2.0,
        other_temperature=6.0,
    )
    assert found.calibrated_loss_difference == pytest.approx(0)


def test_without_a_temperature_the_loss_is_not_compared():
    same = contender(np.ones(9, dtype=bool))
    for temperatures in ({}, {"merge_temperature": 1.0}, {"other_temperature": 1.0}):
        found = compare(same, same, "naive", **temperatures)
        assert found.calibrated_loss_difference is None
        assert found.calibrated_loss_low is None
        assert found.calibrated_loss_high is None


def test_other_rows_cannot_be_compared():
    with pytest.raises(ValueError, match="same rows"):
        compare(contender(np.ones(9, dtype=bool)), contender(np.ones(8, dtype=bool)), "naive")


def test_below_thirty_rows_there_are_no_bounds():
    for rows, known in ((29, False), (30, True)):
        merge, other = map(contender, paired(rows - 4, 1, 2, 1))
        found = compare(merge, other, "parent_a", merge_temperature=1.0, other_temperature=1.0)
        assert found.accuracy_difference == pytest.approx(-1 / rows)
        bounds = (found.accuracy_low, found.accuracy_high)
        losses = (found.calibrated_loss_low, found.calibrated_loss_high)
        assert [each is not None for each in (*bounds, *losses)] == [known] * 4
