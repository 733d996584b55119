"""Simplicial complexes of models: which of them span low-loss simplexes, and the ways through.

Simplexes that share a model are glued together there (arXiv:2102.13042, section 4); here models are
aligned first. A face can only be low if all of its own faces are, so faces are tried from small to
large, and one whose face is high is not tried.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import combinations, pairwise

Face = tuple[int, ...]
Rise = Callable[[Face], float]
"""The largest excess found inside a face, in nats."""


@dataclass(frozen=True)
class Complex:
    """What was found of `count` models.

    rises: face -> largest excess, of every face that was tried. limit: the most a low face has.
    exhausted: whether the budget ended the search, so that larger faces may be low as well.
    """

    count: int
    rises: Mapping[Face, float]
    limit: float
    exhausted: bool

    @property
    def low(self) -> list[Face]:
        """Every face that is low, small ones first."""
        found = [face for face, rise in self.rises.items() if rise <= self.limit]
        return sorted(found, key=lambda face: (len(face), face))

    @property
    def maximal(self) -> list[Face]:
        """The low faces that lie in no larger one; a model that is in none stands alone."""
        low = [*self.low, *((vertex,) for vertex in range(self.count))]
        return sorted(
            (f for f in low if not any(set(f) < set(other) for other in low)),
            key=lambda face: (-len(face), face),
        )

    def route(self, first: int, last: int) -> tuple[Face, float]:
        """The models on the way from one to another, and the largest excess on its edges.

        Of the ways whose edges are all low, that over fewest models; where there is none, the one
        whose highest edge is lowest.
        """
        heap: list[tuple[float, int, Face]] = [(self.limit, 0, (first,))]
        done: set[int] = set()
        while heap:
            highest, hops, way = heapq.heappop(heap)
            if way[-1] == last:
                return way, max(self.rises[min(pair), max(pair)] for pair in pairwise(way))
            if way[-1] in done:
                continue
            done.add(way[-1])
            for face, rise in self.rises.items():
                if len(face) == 2 and way[-1] in face:
                    (after,) = set(face) - {way[-1]}
                    heapq.heappush(heap, (max(highest, rise), hops + 1, (*way, after)))
        return (), float("inf")


def find_complex(count: int, rise: Rise, *, limit: float, budget: int) -> Complex:
    """Tries all edges, and larger faces whose own faces are low, until `budget` faces were tried.

    Edges are always all tried: they are what routes are made of.
    """
    rises: dict[Face, float] = {edge: rise(edge) for edge in combinations(range(count), 2)}
    exhausted = False
    for size in range(3, count + 1):
        for face in combinations(range(count), size):
            if not all(
                rises.get(part, limit + 1) <= limit for part in combinations(face, size - 1)
            ):
                continue
            if len(rises) >= budget:
                exhausted = True
                break
            rises[face] = rise(face)
    return Complex(count, rises, limit, exhausted)
