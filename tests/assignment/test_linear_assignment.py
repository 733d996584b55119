"""No assignment is worth more than the one found, and its prices prove it."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.optimize import linear_sum_assignment

from hubmerge.assignment import Assignment, linear_assignment, optimality_gap, solver
from tests.helpers.matrices import KINDS

PRECISIONS = (np.float32, np.float64)


def check(similarity: np.ndarray, found: Assignment) -> None:
    """The laws of every assignment, against scipy's."""
    n = len(similarity)
    rows, best = linear_sum_assignment(similarity, maximize=True)
    assert sorted(found.columns) == list(range(n))
    largest = float(np.abs(similarity).max(initial=0))
    with np.errstate(over="ignore"):
        optimum = similarity[rows, best].sum(dtype=np.float64)
        value = similarity[rows, found.columns].sum(dtype=np.float64)
    assert found.value == value
    if np.isfinite([value, optimum]).all():
        assert abs(value - optimum) <= n * largest * 4 * np.finfo(np.float64).eps
    assert 0 <= found.gap <= n * float(np.finfo(similarity.dtype).eps) * largest
    if largest < 1e150:
        again = optimality_gap(similarity, found.columns, found.prices)
        assert again == pytest.approx(found.gap, rel=1e-6, abs=n * largest * 1e-15)


sizes = st.integers(0, 24) | st.integers(60, 140)


@settings(max_examples=150, deadline=None)
@given(
    kind=st.sampled_from(list(KINDS)),
    n=sizes,
    seed=st.integers(0, 1000),
    precision=st.sampled_from(PRECISIONS),
)
def test_it_is_worth_what_scipy_finds(kind, n, seed, precision):
    similarity = KINDS[kind](n, np.random.default_rng(seed)).astype(precision)
    check(similarity, linear_assignment(similarity))


@settings(max_examples=150, deadline=None)
@given(data=st.data(), n=st.integers(0, 8), precision=st.sampled_from(PRECISIONS))
def test_any_finite_entries_will_do(data, n, precision):
    width = 8 * np.dtype(precision).itemsize
    entries = st.floats(allow_nan=False, allow_infinity=False, width=width)
    similarity = data.draw(arrays(precision, (n, n), elements=entries))
    check(similarity, linear_assignment(similarity))


@settings(max_examples=100, deadline=None)
@given(
    kind=st.sampled_from(list(KINDS)),
    n=sizes,
    seed=st.integers(0, 1000),
    change=st.sampled_from([0.0, 1e-3, 0.1, 10.0]),
    precision=st.sampled_from(PRECISIONS),
)
def test_from_an_earlier_assignment_the_value_is_the_same(kind, n, seed, change, precision):
    draw = np.random.default_rng(seed)
    earlier = KINDS[kind](n, draw).astype(precision)
    start = linear_assignment(earlier)
    similarity = earlier + (change * draw.normal(size=(n, n))).astype(precision)
    check(similarity, linear_assignment(similarity, warm=start))


@pytest.mark.parametrize("precision", PRECISIONS)
@pytest.mark.parametrize("kind", ["noise", "low rank", "few values", "all equal", "sorted rows"])
def test_large_matrices(kind, precision):
    draw = np.random.default_rng(7)
    similarity = KINDS[kind](700, draw).astype(precision)
    found = linear_assignment(similarity)
    check(similarity, found)
    moved = similarity + (0.01 * draw.normal(size=similarity.shape)).astype(precision)
    check(moved, linear_assignment(moved, warm=found))


def test_an_assignment_that_is_still_best_stays():
    similarity = np.random.default_rng(0).normal(size=(200, 200))
    first = linear_assignment(similarity)
    again = linear_assignment(similarity * (1 + 1e-9), warm=first)
    assert (again.columns == first.columns).all()


def test_a_useless_start_changes_nothing():
    draw = np.random.default_rng(0)
    similarity = draw.normal(size=(200, 200))
    useless = Assignment(draw.permutation(200), 100 * draw.normal(size=200), 0.0, 0.0)
    cold, warm = linear_assignment(similarity), linear_assignment(similarity, warm=useless)
    assert (cold.columns == warm.columns).all()
    assert (cold.prices == warm.prices).all()


@pytest.mark.parametrize("n", [1, 2, 50, 64, 65, 300, 1100])
@pytest.mark.parametrize("entry", [0.0, -3.5])
def test_where_all_is_equal_every_row_stays(n, entry):
    for precision in PRECISIONS:
        found = linear_assignment(np.full((n, n), entry, precision))
        assert (found.columns == np.arange(n)).all()


@pytest.mark.parametrize("precision", PRECISIONS)
def test_the_matrix_and_the_start_are_left_alone(precision):
    similarity = np.random.default_rng(0).normal(size=(100, 100)).astype(precision)
    before, start = similarity.copy(), linear_assignment(similarity)
    columns, prices = start.columns.copy(), start.prices.copy()
    linear_assignment(similarity + precision(0.1) * similarity.T, warm=start)
    assert (similarity == before).all()
    assert (start.columns == columns).all()
    assert (start.prices == prices).all()


def test_rows_need_not_lie_one_after_the_other():
    similarity = np.random.default_rng(0).normal(size=(100, 200))
    for view in (similarity[:, ::2], similarity[:, :100].T):
        assert (linear_assignment(view).columns == linear_assignment(view.copy()).columns).all()


def test_threads_side_by_side_find_what_one_finds():
    draw = np.random.default_rng(0)
    matrices = [draw.normal(size=(300, 300)).astype(PRECISIONS[k % 2]) for k in range(8)]
    alone = [linear_assignment(matrix) for matrix in matrices]
    with ThreadPoolExecutor(4) as threads:
        together = list(threads.map(linear_assignment, matrices))
    for one, other in zip(alone, together, strict=True):
        assert (one.columns == other.columns).all()
        assert (one.prices == other.prices).all()


@settings(max_examples=60, deadline=None)
@given(
    kind=st.sampled_from(list(KINDS)),
    n=st.integers(0, 30),
    seed=st.integers(0, 1000),
    precision=st.sampled_from(PRECISIONS),
)
def test_without_numba_scipy_finds_it_and_prices_prove_it(kind, n, seed, precision):
    similarity = KINDS[kind](n, np.random.default_rng(seed)).astype(precision)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(solver, "_kernels", lambda precision: None)
        check(similarity, linear_assignment(similarity))


@pytest.mark.parametrize("compiled", [True, False])
@pytest.mark.parametrize(
    "similarity",
    [
        np.zeros((2, 3)),
        np.zeros(4),
        np.zeros((2, 2), dtype=np.int64),
        np.zeros((2, 2), dtype=np.float16),
        np.array([[0.0, np.nan], [1, 1]]),
        np.full((2, 2), np.inf),
        np.array([[0, 1], [-np.inf, 1]], dtype=np.float32),
        np.where(np.eye(200) * np.arange(200) == 150, np.nan, 1.0),
    ],
)
def test_what_is_no_similarity_is_refused(similarity, compiled, monkeypatch):
    if not compiled:
        monkeypatch.setattr(solver, "_kernels", lambda precision: None)
    with pytest.raises(ValueError, match="similarity"):
        linear_assignment(similarity)


@pytest.mark.parametrize(
    ("columns", "prices"),
    [
        (np.arange(3), np.zeros(3)),
        (np.arange(4), np.zeros(3)),
        (np.array([0, 1, 2, 4]), np.zeros(4)),
        (np.array([0, 1, 2, -1]), np.zeros(4)),
        (np.arange(4), np.array([0, 0, 0, np.nan])),
    ],
)
def test_a_start_that_does_not_fit_is_refused(columns, prices):
    with pytest.raises(ValueError, match="assignment to start from"):
        linear_assignment(np.eye(4), warm=Assignment(columns, prices, 0.0, 0.0))
