"""The best columns are worth what the exact solver proves, and stay where nothing is gained."""

from __future__ import annotations

import numpy as np
import pytest

from hubmerge.assignment import best_columns, columns, linear_assignment
from tests.helpers.matrices import KINDS


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("small", [0, columns.SMALL])
def test_they_are_worth_what_the_solver_proves(kind, small, monkeypatch):
    monkeypatch.setattr(columns, "SMALL", small)
    similarity = KINDS[kind](70, np.random.default_rng(0)).astype(np.float32)
    found, proven = best_columns(similarity), linear_assignment(similarity)
    assert sorted(found) == list(range(70))
    worth = similarity[np.arange(70), found].sum(dtype=np.float64)
    largest = float(np.abs(similarity).max())
    assert worth == pytest.approx(proven.value, rel=1e-12, abs=70 * 4e-16 * largest)


def test_units_that_do_nothing_stay():
    similarity = np.diag([3.0, 0, 2, 0, 0, 1])
    assert best_columns(similarity).tolist() == list(range(6))
    similarity[[0, 2]] = similarity[[2, 0]]
    assert best_columns(similarity)[[0, 2]].tolist() == [2, 0]


def test_small_differences_beside_large_numbers_count():
    similarity = np.diag([1e6, 0, 0]).astype(np.float32)
    similarity[1, 2] = similarity[2, 1] = 1.0
    assert best_columns(similarity).tolist() == [0, 2, 1]


@pytest.mark.parametrize(
    "similarity", [np.full((2, 2), np.nan), np.zeros((2, 3)), np.zeros((2, 2), int)]
)
def test_what_is_no_similarity_is_refused(similarity):
    with pytest.raises(ValueError, match="similarity"):
        best_columns(similarity)


def test_nothing_has_no_columns():
    assert len(best_columns(np.zeros((0, 0)))) == 0
