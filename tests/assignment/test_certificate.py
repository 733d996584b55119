"""The gap bounds what any assignment is worth, whatever the prices."""

from __future__ import annotations

from itertools import permutations

import numpy as np
import pytest

from hubmerge.assignment import linear_assignment, optimality_gap
from hubmerge.assignment.fallback import recover_prices


@pytest.mark.parametrize("seed", range(5))
def test_nothing_is_worth_more_than_value_and_gap(seed):
    draw = np.random.default_rng(seed)
    similarity, columns, prices = draw.normal(size=(5, 5)), draw.permutation(5), draw.normal(size=5)
    rows = np.arange(5)
    best = max(similarity[rows, list(p)].sum() for p in permutations(range(5)))
    bound = similarity[rows, columns].sum() + optimality_gap(similarity, columns, prices)
    assert bound >= best - 1e-12


def test_a_constant_on_all_prices_changes_nothing():
    similarity = np.random.default_rng(0).normal(size=(50, 50))
    found = linear_assignment(similarity)
    gap = optimality_gap(similarity, found.columns, found.prices + 1)
    assert gap == pytest.approx(found.gap, abs=1e-12)


def test_an_assignment_that_is_not_best_has_a_gap():
    similarity = np.random.default_rng(0).normal(size=(50, 50))
    worse = np.roll(linear_assignment(similarity).columns, 1)
    assert optimality_gap(similarity, worse, recover_prices(similarity, worse)) > 1
