"""Frank-Wolfe over relaxed symmetries, from the barycentre: permutations, rotations, linear maps.

Coordinate descent decides one space after another, each on the little that is known of its
neighbours, and what it decided first it rarely revises. Here every space starts as the mean of
all it may become: for permutations the matrix that is 1/n throughout, for rotations 0 (along the
all-ones vector, where they fix it, 1), for maps in balanced coordinates, which are rotations, 0.
All spaces then move together, step by step, towards what the mixture favours most: an assignment,
a polar factor (the best vertex of the spectral norm's unit ball), or, where rotations lie within
heads, an assignment of heads on sums of singular values. arXiv:2405.17897, section 3.2, has
Frank-Wolfe on permutations of many models; the start, the other symmetries and the cheap step are
hubmerge's own, see docs/matching.md.

The objective is, for every tensor, linear in each of the two groups of spaces that touch it. So
its gradient is affine in the relaxed symmetries, moves along with them
(G <- (1-t) G + t G(vertex)), and the best step on the way to a vertex has a closed form. The
groups of one step do not depend on each other: they are shared out.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from math import prod
from typing import Protocol, TypeVar

import torch
from torch import Tensor

from hubmerge.matching.similarity.bfloat16 import device_of, rough
from hubmerge.matching.similarity.keys import innermost, names_along, shape_of, spread
from hubmerge.matching.similarity.matched import matched_index
from hubmerge.matching.similarity.shelf import Shelf, Similarities
from hubmerge.matching.similarity.weights import (
    group_similarities,
    share_moved,
    speaking,
    updated_similarities,
)
from hubmerge.matching.solvers.group_assignment import best_element, joined, worth
from hubmerge.matching.solvers.space_assignment import Warm
from hubmerge.specs.spec import Group, Spec
from hubmerge.symmetry.element import Symmetry, fixes_one
from hubmerge.symmetry.on_demand import OnDemand
from hubmerge.symmetry.permutation import State

T = TypeVar("T")
R = TypeVar("R")

STEPS = 100
"""Most steps of Frank-Wolfe."""

SMALL_STEP = 3e-3
"""A step that gains less than this share of the objective ends the search.

What is still to be gained then, coordinate descent finds almost as well, and at less cost."""

RENEW = 0.5
"""Share of what is multiplied for a group that must have moved for its products to be made anew."""


class Spread(Protocol):
    """Does a job for every item, on any worker: `Workers.map`."""

    def __call__(self, job: Callable[[T], R], items: Sequence[T], /) -> list[R]: ...


def alone(job: Callable[[T], R], items: Sequence[T], /) -> list[R]:
    """All jobs one after another, here."""
    return [job(item) for item in items]


def relax(
    spec: Spec, anchor: State, other: State, *, steps: int = STEPS, spread: Spread = alone
) -> tuple[Symmetry, int]:
    """The symmetry nearest to where Frank-Wolfe arrives from the barycentre, and its steps.

    anchor, other: in canonical form, if anything may be rotated or mapped. Takes at most `steps`
    steps of one exact solution per group each. Pure and deterministic: the same on any number of
    processes, all of which call it alike where `spread` hands out jobs among them.
    """
    search, groups = _Search(spec, anchor, other), range(len(spec.groups))
    first = [k for k in groups if _stands_alone(spec, spec.groups[k])]
    spread(lambda k: search.begin(k, joined([])), first)
    point = _Mixture(spec, joined(spread(search.best, first)))
    spread(lambda k: search.begin(k, point.start), groups)
    taken = 0
    for _ in range(steps):
        vertex = joined(spread(search.best, groups))
        if point.is_at(vertex):
            break
        seen = spread(lambda k, at=vertex: search.look(k, at, point), groups)  # type: ignore[misc]
        here, towards, back, there = (sum(values) for values in zip(*seen, strict=True))
        slope, change = towards - here, there - back - (towards - here)
        step = _best_step(slope, change / 2)
        spread(lambda k, share=step: search.go(k, share), groups)  # type: ignore[misc]
        point.move(vertex, step)
        taken += 1
        if step * slope <= SMALL_STEP * abs(here):
            break
    if (arrived := point.vertex) is not None:
        return arrived, taken
    return joined(spread(lambda k: search.rounded(k, point), groups)), taken


def _stands_alone(spec: Spec, group: Group) -> bool:
    """Whether a matrix speaks for `group` that no other free space touches.

    At the barycentre it is known; all others have little that distinguishes their units.
    """
    free, own = spec.free_spaces(), {*group.members}
    units = max(prod(spec.index_shape(space)) for space in own)
    layouts = [spec.tensors[name] for name in speaking(spec, group.members)]
    return any(
        own.issuperset(name for name in layout.names() if name in free)
        and prod(layout.sizes) > units
        for layout in layouts
    )


@dataclass
class _Mixture:
    """A relaxed symmetry: a weighted mean of symmetries and of where it began.

    start: the spaces that did not begin at their barycentre.
    """

    spec: Spec
    start: Symmetry
    began: float = 1.0
    weights: list[float] = field(default_factory=list)
    vertices: list[Symmetry] = field(default_factory=list)

    def move(self, vertex: Symmetry, step: float) -> None:
        """Goes the share `step` of the way to `vertex`."""
        self.began *= 1 - step
        weights = [weight * (1 - step) for weight in self.weights] + [step]
        kept = [(w, v) for w, v in zip(weights, [*self.vertices, vertex], strict=True) if w > 0]
        self.weights, self.vertices = [w for w, _ in kept], [v for _, v in kept]

    @property
    def vertex(self) -> Symmetry | None:
        """The one symmetry it is; None for a true mixture."""
        return self.vertices[0] if len(self.vertices) == 1 and not self.began else None

    def is_at(self, vertex: Symmetry) -> bool:
        """Whether it is that symmetry and nothing else."""
        at = self.vertex
        return at is not None and all(
            torch.equal(values, there[name])
            for here, there in ((at.permutation, vertex.permutation), (at.maps, vertex.maps))
            for name, values in here.items()
        )

    def inner(self, similarities: Similarities) -> float:
        """Inner product with `similarities`, over their spaces."""
        total = 0.0
        if self.began:
            known = {n: v for n, v in similarities.items() if self._knew(n)}
            mean = sum(
                _mean_worth(self.spec, name, values)
                for name, values in similarities.items()
                if name not in known
            )
            total += self.began * (worth(self.spec, known, self.start) + mean)
        for weight, vertex in zip(self.weights, self.vertices, strict=True):
            total += weight * worth(self.spec, similarities, vertex)
        return total

    def _knew(self, key: str) -> bool:
        """Whether the space (or couple) did not begin at its barycentre."""
        return innermost(key) in {*self.start.permutation, *self.start.maps}

    def dense(self, space: str) -> Tensor:
        """The mixture of one space: [outer..., n, outer..., n], float64, the anchor's units first.

        Barycentres, which favour nothing, are left out.
        """
        shape, mapped = shape_of(self.spec, space), innermost(space)
        mixed = torch.zeros(*shape, *shape, dtype=torch.float64)
        known = self.began > 0 and self._knew(space)
        parts = [(self.began, self.start)] if known else []
        for weight, vertex in [*parts, *zip(self.weights, self.vertices, strict=True)]:
            if mapped not in vertex.maps:
                mixed[matched_index(self.spec, space, vertex.permutation)] += weight
            elif len(shape) == 1:
                mixed += weight * vertex.maps[space]
            else:
                outer = matched_index(
                    self.spec, names_along(self.spec, space)[-2], vertex.permutation
                )
                pairs = mixed.movedim(len(shape) - 1, -2)  # [outer..., outer..., n, n], a view
                pairs[outer] += weight * spread(space, vertex.maps[mapped])
        return mixed


def _mean_worth(spec: Spec, space: str, values: Tensor) -> float:
    """Summed similarity at the barycentre of `space`."""
    if innermost(space) in spec.mapped_spaces() and not fixes_one(spec, space):
        return 0.0
    size = spec.sizes[space]
    for depth, outer in reversed([*enumerate(spec.ancestors(space))]):
        if spec.spaces[outer].fixed:  # its units are not mixed: only pairs of equals count
            values = values.diagonal(dim1=depth, dim2=depth + values.ndim // 2).sum(-1)
        else:
            size *= spec.sizes[outer]
    return float(values.sum(-1, dtype=torch.float32).sum(dtype=torch.float64)) / size


class _Search:
    """The gradient of every group this process has a job for, and its products at a vertex."""

    def __init__(self, spec: Spec, anchor: State, other: State) -> None:
        self.spec, self.anchor, self.other = spec, anchor, other
        on_disk = isinstance(other, OnDemand)
        self.gradient, self.there = Shelf(on_disk=on_disk), Shelf(on_disk=on_disk)
        self.last: dict[int, Symmetry] = {}
        self.warm: Warm = {}
        self.rough = rough(device_of(other))

    def begin(self, number: int, known: Symmetry) -> None:
        """The gradient of one group where nothing but `known` has left its barycentre."""
        own = self.spec.groups[number].members
        found = (known.permutation, known.maps)
        free = frozenset(self.spec.free_spaces()).difference(own, *found)
        self.gradient[number] = self._similarities(number, known, free)

    def best(self, number: int) -> Symmetry:
        """The vertex of one group that the gradient favours most."""
        return best_element(
            self.spec, self.spec.groups[number], self.gradient[number], warm=self.warm
        )

    def look(
        self, number: int, vertex: Symmetry, point: _Mixture
    ) -> tuple[float, float, float, float]:
        """One group's share of <G, point>, <G, vertex>, <G(vertex), point>, <G(vertex), vertex>."""
        group, gradient = self.spec.groups[number], self.gradient[number]
        last = self.last.get(number)
        if last is not None and not vertex.maps and self._few_moved(number, vertex, last):
            there = updated_similarities(
                self.spec,
                self.anchor,
                self.other,
                group,
                vertex.permutation,
                last.permutation,
                self.there[number],
            )
        else:
            products = self._similarities(number, vertex)
            there = {name: values.to(self.rough) for name, values in products.items()}
        self.there[number], self.last[number] = there, vertex
        return (
            point.inner(gradient),
            worth(self.spec, gradient, vertex),
            point.inner(there),
            worth(self.spec, there, vertex),
        )

    def _few_moved(self, number: int, vertex: Symmetry, last: Symmetry) -> bool:
        group = self.spec.groups[number]
        return share_moved(self.spec, group, vertex.permutation, last.permutation) <= RENEW

    def go(self, number: int, step: float) -> None:
        """Moves one group's gradient the share `step` of the way to that of the vertex."""
        gradient, there = self.gradient[number], self.there[number]
        for name, values in gradient.items():
            values.lerp_(there[name].to(values.dtype), step)
        self.gradient[number] = gradient

    def rounded(self, number: int, point: _Mixture) -> Symmetry:
        """The element of one group nearest to where the mixture is."""
        group = self.spec.groups[number]
        mixed = {name: point.dense(name) for name in self.gradient[number]}
        return best_element(self.spec, group, mixed)

    def _similarities(
        self, number: int, at: Symmetry, unknown: frozenset[str] = frozenset()
    ) -> Similarities:
        return group_similarities(
            self.spec,
            self.anchor,
            self.other,
            self.spec.groups[number],
            at.permutation,
            unknown,
            maps=at.maps,
            dtype=torch.float32,
            products=self.rough,
        )


def _best_step(slope: float, curvature: float) -> float:
    """The t in [0, 1] that maximises slope t + curvature t^2, for a slope above 0."""
    if curvature >= 0:
        return 1.0
    return min(1.0, -slope / (2 * curvature))
