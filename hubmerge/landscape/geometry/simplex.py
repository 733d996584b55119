"""Simplexes in weight space: where their points are, and how far the loss rises inside.

The simplex of states is every weighted mean of them, weights at least 0 that add up to 1
(arXiv:2102.13042, section 3). Here the states are first aligned: symmetries S_2 ... S_n are wanted
such that every point of the simplex of M_1, S_2(M_2), ..., S_n(M_n) has low loss.

Arrays: shares [places, vertices]; losses [places, rows] and ends [vertices, rows], in nats.
"""

from __future__ import annotations

from itertools import combinations

import numpy as np

from hubmerge.evaluation.bootstrap import NO_BOUNDS, bounds, is_enough, resampled_means
from hubmerge.evaluation.results import Barrier

VERTEX, EDGE, FACE, INSIDE = "vertex", "edge", "face", "inside"


def faces(count: int, least: int = 2) -> list[tuple[int, ...]]:
    """The faces of a simplex of `count` vertices that have at least `least`: small ones first."""
    sizes = range(least, count + 1)
    return [face for size in sizes for face in combinations(range(count), size)]


def centroid(face: tuple[int, ...], count: int) -> list[float]:
    """The shares of every vertex at the middle of a face."""
    return [1 / len(face) if vertex in face else 0.0 for vertex in range(count)]


def drawn(count: int, samples: int, seed: int) -> list[list[float]]:
    """Shares of so many points drawn evenly from the inside: Dirichlet, all parameters 1."""
    found = np.random.default_rng(seed).dirichlet(np.ones(count), size=samples)
    return [[float(share) for share in point] for point in found]


def kind_of(face: tuple[int, ...]) -> str:
    """What a face is called."""
    return EDGE if len(face) == 2 else FACE


def excess(losses: np.ndarray, ends: np.ndarray, shares: np.ndarray) -> np.ndarray:
    """Loss minus the same mixture of the vertices' own losses, row by row [places, rows]."""
    return losses - np.einsum("pv,vr->pr", shares, ends)


def simplex_barrier(rise: np.ndarray) -> Barrier:
    """The largest mean excess [places, rows], with its paired bootstrap interval, if there are rows
    enough for one.

    The maximum is taken anew in every resample. `at` is the number of the place.
    """
    top = int(rise.mean(1).argmax())
    low, high = NO_BOUNDS
    if is_enough(rise.shape[1]):
        low, high = bounds(resampled_means(rise).max(axis=1))
    return Barrier(value=float(rise[top].mean()), at=float(top), low=low, high=high)
