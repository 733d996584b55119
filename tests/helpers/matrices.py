"""Matrices of every kind an assignment may meet."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

Maker = Callable[[int, np.random.Generator], np.ndarray]


def _distances(n: int, draw: np.random.Generator) -> np.ndarray:
    here, there = draw.normal(size=(2, n, 2))
    return -np.linalg.norm(here[:, None] - there, axis=2)


def _planted(n: int, draw: np.random.Generator) -> np.ndarray:
    return 5 * np.eye(n)[draw.permutation(n)] + draw.normal(size=(n, n))


KINDS: dict[str, Maker] = {
    "noise": lambda n, draw: draw.normal(size=(n, n)),
    "few values": lambda n, draw: draw.integers(0, 3, size=(n, n)).astype(float),
    "all equal": lambda n, draw: np.full((n, n), 0.3),
    "all zero": lambda n, draw: np.zeros((n, n)),
    "negative": lambda n, draw: -np.exp(draw.normal(size=(n, n))),
    "rows thrice": lambda n, draw: draw.normal(size=(n, n))[np.arange(n) // 3],
    "columns thrice": lambda n, draw: draw.normal(size=(n, n))[:, np.arange(n) // 3],
    "products": lambda n, draw: np.outer(np.arange(n), np.arange(n)).astype(float),
    "distances": _distances,
    "low rank": lambda n, draw: draw.normal(size=(n, 3)) @ draw.normal(size=(3, n)),
    "planted": _planted,
    "rows of all scales": lambda n, draw: (
        draw.normal(size=(n, n)) * np.exp(draw.normal(scale=3, size=(n, 1)))
    ),
    "columns of all scales": lambda n, draw: (
        draw.normal(size=(n, n)) * np.exp(draw.normal(scale=3, size=(1, n)))
    ),
    "heavy tails": lambda n, draw: draw.standard_cauchy(size=(n, n)),
    "sorted rows": lambda n, draw: np.sort(draw.normal(size=(n, n)), axis=1),
    "mostly zero": lambda n, draw: (draw.random((n, n)) < 3 / max(n, 1)).astype(float),
}
