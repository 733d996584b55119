from __future__ import annotations

import numpy as np
import pytest

from hubmerge.evaluation.bootstrap import bounds, resampled_means


def test_the_same_figures_give_the_same_interval():
    values = np.random.default_rng(3).normal(size=(2, 50))
    assert np.array_equal(resampled_means(values), resampled_means(values))
    assert not np.array_equal(resampled_means(values), resampled_means(values, seed=1))


def test_rows_are_resampled_together():
    values = np.random.default_rng(3).normal(size=(1, 50))
    both = resampled_means(np.concatenate([values, values + 1]))
    assert np.allclose(both[:, 1] - both[:, 0], 1)


def test_a_constant_has_no_spread():
    assert bounds(resampled_means(np.full((1, 30), 0.5))[:, 0]) == pytest.approx((0.5, 0.5))


def test_spread_is_that_of_a_mean():
    values = np.random.default_rng(0).normal(size=(1, 400))
    assert resampled_means(values).std() == pytest.approx(values.std() / 20, rel=0.1)


def test_nine_intervals_in_ten_hold_the_truth():
    draw = np.random.default_rng(0)
    held = below = above = 0
    trials = 400
    for _ in range(trials):
        low, high = bounds(resampled_means(draw.exponential(size=(1, 150)), resamples=300)[:, 0])
        held += low <= 1 <= high
        below += high < 1
        above += low > 1
    assert 0.84 < held / trials < 0.95
    assert below / trials < 0.11
    assert above / trials < 0.08
