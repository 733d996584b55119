"""Simplexes and complexes of models, without any models."""

from __future__ import annotations

import numpy as np
import pytest

from hubmerge.landscape.geometry.complex import find_complex
from hubmerge.landscape.geometry.simplex import centroid, drawn, excess, faces, simplex_barrier


def test_faces_and_their_middles():
    assert faces(3) == [(0, 1), (0, 2), (1, 2), (0, 1, 2)]
    assert len(faces(5)) == 2**5 - 1 - 5
    assert centroid((0, 2), 3) == [0.5, 0.0, 0.5]


def test_points_are_drawn_from_the_whole_simplex():
    points = np.array(drawn(3, 2000, 0))
    assert points.min() >= 0
    assert np.allclose(points.sum(1), 1)
    assert np.allclose(points.mean(0), 1 / 3, atol=0.02)
    assert drawn(3, 5, 1) == drawn(3, 5, 1) != drawn(3, 5, 2)


def test_the_excess_of_mixed_losses_is_none():
    ends = np.random.default_rng(0).random((3, 50))
    shares = np.array([centroid((0, 1, 2), 3), [0.2, 0.3, 0.5]])
    assert excess(shares @ ends, ends, shares) == pytest.approx(0, abs=1e-12)
    barrier = simplex_barrier(excess(shares @ ends + [[0.1], [0.3]], ends, shares))
    assert (barrier.value, barrier.at) == (pytest.approx(0.3), 1)
    assert barrier.low <= 0.3 + 1e-9 <= barrier.high + 2e-9


def rises(low):
    """Excesses of 0 inside the given simplexes, and of the size of their spread elsewhere."""

    def rise(face):
        inside = any(set(face) <= set(simplex) for simplex in low)
        return 0.0 if inside else float(max(face) - min(face))

    return rise


def test_the_maximal_simplexes_are_found():
    found = find_complex(6, rises([(0, 1, 2), (2, 3), (4, 3)]), limit=0.5, budget=100)
    assert found.maximal == [(0, 1, 2), (2, 3), (3, 4), (5,)]
    assert not found.exhausted
    tried = [face for face in found.rises if len(face) > 2]
    assert tried == [(0, 1, 2)]  # no other triangle has three low edges


def test_routes_go_over_the_lowest_edges():
    found = find_complex(5, rises([(0, 1, 2), (2, 3)]), limit=0.5, budget=100)
    assert found.route(0, 3) == ((0, 2, 3), 0.0)
    assert found.route(0, 1) == ((0, 1), 0.0)
    assert found.route(0, 4) == ((0, 2, 3, 4), 1.0)  # 3 to 4 is the lowest edge to it


def test_a_low_edge_is_taken_though_a_detour_is_lower():
    heights = {(0, 1): 0.4, (0, 2): 0.0, (1, 2): 0.0}
    found = find_complex(3, lambda face: heights.get(face, 1.0), limit=0.5, budget=10)
    assert found.route(0, 1) == ((0, 1), 0.4)
    found = find_complex(3, lambda face: heights.get(face, 1.0), limit=0.3, budget=10)
    assert found.route(0, 1) == ((0, 2, 1), 0.0)


def test_a_budget_ends_the_search_and_is_said_to():
    everything = tuple(range(6))
    found = find_complex(6, rises([everything]), limit=0.5, budget=20)
    assert len(found.rises) == 20
    assert found.exhausted
    assert find_complex(6, rises([everything]), limit=0.5, budget=99).maximal == [everything]
