"""Frank-Wolfe over relaxed permutations, from the barycentre.

Coordinate descent decides one space after another, each on the little that is known of its
neighbours, and what it decided first it rarely revises. Here every space starts as the mean of
all its permutations, and all of them move together, step by step, towards the permutations that
the current mixture favours most. Frank-Wolfe on the same objective: arXiv:2405.17897, section 3.2
(there for many models); the start and the cheap step are hubmerge's own, see docs/matching.md.

The objective is, for every tensor, linear in each of the two permutations that touch it. So its
gradient is affine in the relaxed permutations, moves along with them
(G <- (1-t) G + t G(vertex)), and the best step on the way to a vertex has a closed form.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import torch
from torch import Tensor

from hubmerge.matching.assignment import assign_nested
from hubmerge.matching.similarity import (
    group_similarities,
    matched_index,
    total_similarity,
)
from hubmerge.spec.permutation import Permutation, State, identity
from hubmerge.spec.spec import Spec

Gradient = dict[str, Tensor]
"""Space -> [outer..., n, outer..., n], float32: it decides a start, which is then polished."""

SMALL_STEP = 1e-6
"""A step that gains less than this share of the objective ends the search.

Small, because late steps decide much: what is still mixed is rounded at the end."""


@dataclass
class _Mixture:
    """A relaxed permutation: a weighted mean of permutations and of the barycentre."""

    spec: Spec
    barycentre: float = 1.0
    weights: list[float] = field(default_factory=list)
    vertices: list[Permutation] = field(default_factory=list)

    def move(self, vertex: Permutation, step: float) -> None:
        """Goes the share `step` of the way to `vertex`."""
        self.barycentre *= 1 - step
        self.weights = [weight * (1 - step) for weight in self.weights] + [step]
        self.vertices.append(vertex)

    def inner(self, gradient: Gradient) -> float:
        """Inner product with `gradient`, over all spaces."""
        total = self.barycentre * sum(
            float((self._uniform(name) * values).sum(dtype=torch.float64))
            for name, values in gradient.items()
        )
        for weight, vertex in zip(self.weights, self.vertices, strict=True):
            total += weight * total_similarity(self.spec, gradient, vertex)
        return total

    def dense(self, space: str) -> Tensor:
        """The mixture of one space: [outer..., n, outer..., n], float64."""
        mixed = self.barycentre * self._uniform(space).double()
        for weight, vertex in zip(self.weights, self.vertices, strict=True):
            mixed[matched_index(self.spec, space, vertex)] += weight
        return mixed

    def _uniform(self, space: str) -> Tensor:
        """The mean of all permutations: every pair alike, but none across fixed outer units."""
        shape = self.spec.index_shape(space)
        relaxed = torch.ones(*shape, *shape)
        for depth, outer in enumerate(self.spec.ancestors(space)):
            if self.spec.spaces[outer].fixed:
                view = [1] * (2 * len(shape))
                view[depth] = view[depth + len(shape)] = shape[depth]
                relaxed = relaxed * torch.eye(shape[depth]).view(view)
        return relaxed / relaxed.flatten(0, len(shape) - 1)[0].sum()


def relax(spec: Spec, anchor: State, other: State, *, steps: int) -> dict[str, Tensor]:
    """The permutation nearest to where Frank-Wolfe arrives from the barycentre.

    Takes at most `steps` steps of one assignment per space each. Pure and deterministic.
    """
    free = frozenset(spec.free_spaces())
    gradient = _gradient(spec, anchor, other, identity(spec), free)
    point = _Mixture(spec)
    for _ in range(steps):
        vertex = _best_vertex(spec, gradient)
        there = _gradient(spec, anchor, other, vertex, frozenset())
        here = point.inner(gradient)
        slope = total_similarity(spec, gradient, vertex) - here
        change = total_similarity(spec, there, vertex) - point.inner(there) - slope
        step = _best_step(slope, change / 2)
        for name in gradient:
            gradient[name].lerp_(there[name], step)
        point.move(vertex, step)
        if step * slope <= SMALL_STEP * abs(here):
            break
    return _best_vertex(spec, {name: point.dense(name) for name in gradient})


def _gradient(
    spec: Spec, anchor: State, other: State, permutation: Permutation, unknown: frozenset[str]
) -> Gradient:
    """Similarities of every group, all others permuted, or averaged out where `unknown`."""
    gradient: Gradient = {}
    for group in spec.groups:
        others = unknown - set(group.members)
        gradient |= group_similarities(
            spec, anchor, other, group, permutation, others, dtype=torch.float32
        )
    return gradient


def _best_vertex(spec: Spec, gradient: Mapping[str, Tensor]) -> dict[str, Tensor]:
    vertex: dict[str, Tensor] = {}
    for group in spec.groups:
        members = {name: gradient[name] for name in group.members if name in gradient}
        vertex |= assign_nested(spec, group.root, members)
    return vertex


def _best_step(slope: float, curvature: float) -> float:
    """The t in [0, 1] that maximises slope t + curvature t^2, for a slope above 0."""
    if curvature >= 0:
        return 1.0
    return min(1.0, -slope / (2 * curvature))
