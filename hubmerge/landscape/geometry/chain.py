"""A path through weight space: a few points, and how much of each there is at every place."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from math import comb

from torch import Tensor

from hubmerge.symmetry.permutation import State

Shares = Callable[[float, int], list[float]]
"""(t, number of points) -> the share of every point at t in [0, 1]; they add up to 1."""


@dataclass(frozen=True)
class Chain:
    """A path from the first of its points to the last. Those between them are its bends.

    points: states of one shape, float32. shares: of every point, at every place.
    """

    points: tuple[State, ...]
    shares: Shares

    def state(self, place: float) -> dict[str, Tensor]:
        """The tensors at `place` in [0, 1]; at its ends the very ends. What is no float is the
        first point's."""
        return mixed(self.points, self.shares(place, len(self.points)))

    @property
    def bends(self) -> tuple[State, ...]:
        """The points between the ends."""
        return self.points[1:-1]

    def bent(self, bends: Sequence[State]) -> Chain:
        """The same path over other bends."""
        return replace(self, points=(self.points[0], *bends, self.points[-1]))

    def length(self, pieces: int = 50) -> float:
        """Euclidean length in weight space, over so many straight pieces."""
        places = (self.state(piece / pieces) for piece in range(pieces + 1))
        return sum(distance(here, there) for here, there in pairwise(places))


def mixed(states: Sequence[State], shares: Sequence[float]) -> dict[str, Tensor]:
    """The sum of `states`, each times its share; a state whose share is 1 as it is."""
    for state, share in zip(states, shares, strict=True):
        if share == 1:
            return dict(state)
    first = states[0]
    return {
        name: _sum([state[name] for state in states], shares)
        if value.is_floating_point()
        else value
        for name, value in first.items()
    }


def _sum(values: Sequence[Tensor], shares: Sequence[float]) -> Tensor:
    total = values[0] * shares[0]
    for value, share in zip(values[1:], shares[1:], strict=True):
        total = total + value * share
    return total


def straight(first: State, last: State, bends: int) -> tuple[State, ...]:
    """Both ends and so many points between them, evenly spread on the line."""
    places = [number / (bends + 1) for number in range(bends + 2)]
    return tuple(mixed((first, last), (1 - place, place)) for place in places)


def distance(one: State, other: State) -> float:
    """Euclidean, over all parameters and buffers that are floats."""
    return inner(difference(one, other), difference(one, other)) ** 0.5


def difference(one: State, other: State) -> dict[str, Tensor]:
    """`one` - `other`, of what are floats."""
    return {n: value - other[n] for n, value in one.items() if value.is_floating_point()}


def inner(one: State, other: State) -> float:
    """Inner product over the tensors of `one`, in float64."""
    return sum(float((value.double() * other[name].double()).sum()) for name, value in one.items())


def bernstein(place: float, count: int) -> list[float]:
    """Shares along a Bezier curve of degree `count` - 1."""
    degree = count - 1
    return [
        comb(degree, k) * place**k * (1 - place) ** (degree - k)
        if 0 < place < 1
        else float(k == round(place) * degree)
        for k in range(count)
    ]


def hats(place: float, count: int) -> list[float]:
    """Shares along straight pieces between the points, every piece as long as any other."""
    at = place * (count - 1)
    return [max(0.0, 1 - abs(at - k)) for k in range(count)]
