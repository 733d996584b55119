from __future__ import annotations

import numpy as np
import pytest

from hubmerge.evaluation.barrier import (
    FINE,
    MISSED,
    around,
    barrier,
    excess,
    highest,
    missed,
    wanted,
)

LAMS = [step / 10 for step in range(11)]


def path(shape, rows=300, noise=0.0, seed=0):
    """Losses [11, rows] whose mean excess over the line from 0.4 to 0.9 is `shape(lam)`."""
    draw = np.random.default_rng(seed)
    per_row = draw.exponential(size=rows)
    return np.stack(
        [
            per_row
            + 0.4
            + 0.5 * lam
            + shape(lam)
            + (noise * draw.normal(size=rows) if 0 < lam < 1 else 0)
            for lam in LAMS
        ]
    )


def test_a_path_between_equals_has_no_barrier_at_all():
    losses = np.tile(np.random.default_rng(0).exponential(size=40), (11, 1))
    found = barrier(losses, LAMS)
    assert (found.value, found.low, found.high) == (0.0, 0.0, 0.0)


def test_excess_is_zero_at_the_ends_and_on_the_line():
    losses = path(lambda lam: 0.0)
    assert (excess(losses, LAMS)[[0, -1]] == 0).all()
    assert np.allclose(excess(losses, LAMS), 0)


def test_the_planted_barrier_is_found():
    found = barrier(path(lambda lam: 4 * 0.7 * lam * (1 - lam)), LAMS)
    assert (found.value, found.at) == (pytest.approx(0.7), 0.5)
    assert (found.low, found.high) == (pytest.approx(0.7), pytest.approx(0.7))


def test_a_path_below_the_line_has_a_negative_barrier():
    found = barrier(path(lambda lam: -4 * 0.2 * lam * (1 - lam)), LAMS)
    assert found.value == pytest.approx(-0.2 * 4 * 0.1 * 0.9)
    assert found.at in (0.1, 0.9)


def test_the_interval_holds_the_value_and_narrows_with_rows():
    few, many = (
        barrier(path(lambda lam: lam * (1 - lam), rows=rows, noise=0.5), LAMS)
        for rows in (100, 2000)
    )
    for found in (few, many):
        assert found.low < found.value < found.high
    assert many.high - many.low < (few.high - few.low) / 2


def test_the_interval_covers_a_planted_barrier():
    shape = {0.5: 0.5}
    held = 0
    for seed in range(60):
        found = barrier(path(lambda lam: shape.get(lam, 0.0), rows=80, noise=1.0, seed=seed), LAMS)
        held += found.low <= 0.5 <= found.high
    assert held >= 48


def test_midpoints_lie_on_both_sides_of_the_highest_point():
    top = highest(path(lambda lam: lam * (1 - lam) * lam), LAMS)
    assert LAMS[top] == 0.7
    assert around(LAMS, top) == [0.65, 0.75]


def test_the_far_end_of_a_mixture_counts_like_any_point():
    losses, far = path(lambda lam: lam), path(lambda lam: 0.0)[-1]
    assert np.allclose(excess(losses, LAMS, far).mean(axis=1), LAMS)
    assert highest(losses, LAMS, far) == 10
    assert barrier(losses, LAMS, far).at == 1.0
    assert barrier(losses, LAMS, far).value == pytest.approx(1.0)
    assert barrier(losses, LAMS).value == pytest.approx(0.0)  # over the line to its own end
    assert around(LAMS, 10) == [0.95]
    assert around(LAMS, 5) == [0.45, 0.55]


def refined(shape, budget=20):
    """The grid, and what is wanted until nothing is: (lams, heights)."""
    found = {lam: shape(lam) for lam in LAMS}
    while len(found) < len(LAMS) + budget:
        lams = sorted(found)
        near = wanted(np.array([[found[lam]] for lam in lams]), lams)
        if not near:
            break
        found |= {lam: shape(lam) for lam in near}
    return found


@pytest.mark.parametrize("at", [0.13, 0.425, 0.5, 0.77])
@pytest.mark.parametrize("width", [0.1, 0.4])
def test_a_maximum_is_looked_for_until_it_is_settled(at, width):
    """A parabola, cut off at 0: the highest point visited is the highest there is."""
    found = refined(lambda lam: max(0.0, 0.1 * (1 - ((lam - at) / width) ** 2)))
    assert max(found.values()) > 0.1 - MISSED
    assert 2 <= len(found) - len(LAMS) <= 8
    top = max(found, key=found.get)
    near = sorted(abs(lam - top) for lam in found if lam != top)
    assert near[1] <= FINE + 1e-9


def test_a_corner_is_found_too():
    found = refined(lambda lam: max(0.0, 1 - abs(lam - 0.425) / 0.1))
    assert max(found.values()) > 0.98


def test_a_path_that_has_no_height_is_settled_soon():
    for shape in (lambda lam: 0.0, lambda lam: -lam * (1 - lam), lambda lam: lam):
        assert len(refined(shape)) <= len(LAMS) + 4
    assert wanted(np.full((11, 3), np.nan), LAMS) == []


def test_the_parabola_between_points_is_that_through_them():
    lams = [0.2, 0.4, 0.5]
    heights = [1 - (lam - 0.37) ** 2 for lam in lams]
    assert missed(np.array(heights), lams, 1) == pytest.approx(0.03**2)
    assert missed(np.array(heights), lams, 0) == missed(np.array(heights), lams, 2) == 0
    assert missed(np.array([0.0, -0.01, -0.03]), [0.0, 0.05, 0.1], 1) == 0, "its top lies outside"


def test_a_barrier_says_whether_it_is_settled():
    assert not barrier(path(lambda lam: lam * (1 - lam)), LAMS).settled
    fine = np.linspace(0, 1, 21)
    losses = np.stack([np.full(5, lam * (1 - lam)) for lam in fine])
    assert barrier(losses, list(fine)).settled


def test_below_thirty_rows_there_is_no_interval():
    for rows, known in ((29, False), (30, True)):
        found = barrier(path(lambda lam: lam * (1 - lam), rows=rows, noise=0.1), LAMS)
        assert [found.low is not None, found.high is not None] == [known] * 2
