"""Frank-Wolfe over relaxed symmetries, from the barycentre: permutations, rotations, linear maps.

Every space starts as the mean of all it may become: for permutations the matrix that is 1/n
throughout, for rotations 0 (along the all-ones vector, which they fix, 1), for maps in balanced
coordinates, which are rotations, 0. At the start only what touches no other space speaks: for the
residual stream of a transformer its embeddings and its classifier. All spaces then move together,
step by step, towards what the mixture favours most: an assignment, a polar factor (the best vertex
of the spectral norm's unit ball), or, where rotations lie within heads, an assignment of heads on
sums of singular values. arXiv:2405.17897, section 3.2, has Frank-Wolfe for permutations;
arXiv:2506.22712, section 4.1, the objective for transformers, by coordinate ascent; relaxing all of
them together from the barycentre is hubmerge's own.

The objective is the sum over modules of the cosine between A's parameters and B's moved ones, so
that a module counts for what it says and not for how large its numbers are.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from hubmerge.matching.elements import best_element
from hubmerge.matching.many.climb import climb_weights, joined, part_of, worth
from hubmerge.matching.similarity import group_similarities, matched_index, parameters
from hubmerge.spec.permutation import State, blur, identity, permute_tensor
from hubmerge.spec.spec import Group, Spec
from hubmerge.spec.symmetry import Symmetry, dual_of, fixes_one, map_tensor

STEPS = 30
"""Most steps of Frank-Wolfe."""

SMALL_STEP = 1e-5
"""A step that gains less than this share of the objective ends the search."""

SWEEPS = 10
"""Visits of every group afterwards."""

Gradient = dict[str, Tensor]
"""Space -> float32 [outer..., n, outer..., n], rows for the anchor's units."""


def relax_symmetry(
    spec: Spec, anchor: State, other: State, *, steps: int = STEPS, seed: int = 0
) -> tuple[Symmetry, str]:
    """The symmetry of `other` that makes its parameters most like the anchor's; needs no data.

    anchor, other: in canonical form, if anything is mapped. Pure and deterministic.
    Returns: the symmetry, polished by coordinate ascent, and a sentence on how it ended.
    """
    target = by_module(spec, anchor, other)
    gradient = _gradient(spec, target, other, None)
    point: Gradient = {name: _barycentre(spec, name) for name in gradient}
    ended = f"{steps} steps of Frank-Wolfe"
    for number in range(steps):
        vertex = _best_vertex(spec, gradient)
        there = _gradient(spec, target, other, vertex)
        here = _inner(gradient, point)
        slope = worth(spec, gradient, vertex) - here
        change = worth(spec, there, vertex) - _inner(there, point) - slope
        step = 1.0 if change >= 0 else min(1.0, -slope / change)
        for name in gradient:
            gradient[name].lerp_(there[name], step)
            point[name].lerp_(_dense(spec, name, vertex), step)
        if step * slope <= SMALL_STEP * abs(here):
            ended = f"{number + 1} steps of Frank-Wolfe"
            break
    rounded = _best_vertex(spec, {name: value.double() for name, value in point.items()})
    begun = [Symmetry(identity(spec)), rounded]
    states = [target, other]
    found, climbed = climb_weights(spec, states, begun, movable=(1,), seed=seed, sweeps=SWEEPS)
    polished = climbed if climbed.startswith("converged") else f"{SWEEPS} sweeps"
    return found[1], f"{ended}, then {polished}"


def by_module(spec: Spec, anchor: State, other: State) -> dict[str, Tensor]:
    """`anchor` with each module's parameters divided by the product of its norms in both models."""
    names = [name for name in spec.tensors if name not in spec.buffers]
    gains = {norm.gain for norm in spec.norms}
    power: dict[str, list[float]] = {}
    for name in names:
        sums = power.setdefault(name.rpartition(".")[0], [0.0, 0.0])
        if name not in gains:
            for k, state in enumerate((anchor, other)):
                sums[k] += float(state[name].double().square().sum())
    scaled = dict(anchor)
    for name in names:
        ours, theirs = power[name.rpartition(".")[0]]
        scale = (ours * theirs) ** 0.5
        scaled[name] = anchor[name].double() / scale if scale > 0 else anchor[name].double()
    return scaled


def _gradient(spec: Spec, target: State, other: State, at: Symmetry | None) -> Gradient:
    """Similarities of every group, all others moved by `at`, or averaged out where it is None."""
    gradient: Gradient = {}
    for group in spec.groups:
        touched = parameters(spec, group.members)
        if at is None:
            theirs = {name: _averaged(spec, other[name], name, group) for name in touched}
        else:
            theirs = _moved(spec, other, touched, part_of(at, group.members, inside=False))
        gradient |= group_similarities(spec, target, theirs, group, {}, dtype=torch.float32)
    return gradient


def _moved(spec: Spec, state: State, names: list[str], symmetry: Symmetry) -> dict[str, Tensor]:
    """Some tensors after `symmetry`; norms' gains, which say nothing of maps, as nothing."""
    maps = {space: matrix.float() for space, matrix in symmetry.maps.items()}
    duals = {space: dual_of(spec, space, matrix) for space, matrix in maps.items()}
    gains = {norm.gain for norm in spec.norms}
    moved = {}
    for name in names:
        value, layout = state[name].float(), spec.tensors[name]
        value = permute_tensor(spec, value, layout, symmetry.permutation)
        value = map_tensor(spec, value, layout, maps, duals)
        moved[name] = torch.zeros_like(value) if name in gains else value
    return moved


def _averaged(spec: Spec, value: Tensor, name: str, group: Group) -> Tensor:
    """`value` with every free space outside `group` at its barycentre."""
    layout, kinds = spec.tensors[name], spec.mapped_spaces()
    others = {s for s in layout.names() if s in spec.free_spaces() and s not in group.members}
    gains = {norm.gain for norm in spec.norms}
    if name in gains or any(s in kinds and not fixes_one(spec, s) for s in others):
        return torch.zeros_like(value)
    return blur(spec, value, layout, frozenset(others))


def _barycentre(spec: Spec, space: str) -> Tensor:
    """The mean of all that `space` may become: [outer..., n, outer..., n]."""
    shape = spec.index_shape(space)
    if space in spec.mapped_spaces() and not fixes_one(spec, space):
        return torch.zeros(*shape, *shape)
    relaxed = torch.ones(*shape, *shape)
    for depth, outer in enumerate(spec.ancestors(space)):
        if spec.spaces[outer].fixed:
            view = [1] * (2 * len(shape))
            view[depth] = view[depth + len(shape)] = shape[depth]
            relaxed = relaxed * torch.eye(shape[depth]).view(view)
    return relaxed / relaxed.flatten(0, len(shape) - 1)[0].sum()


def _best_vertex(spec: Spec, gradient: Mapping[str, Tensor]) -> Symmetry:
    parts = []
    for group in spec.groups:
        members = {n: gradient[n].double() for n in group.members if n in gradient}
        parts.append(best_element(spec, group, members))
    return joined(parts)


def _dense(spec: Spec, space: str, vertex: Symmetry) -> Tensor:
    """`vertex` as a matrix from the other's units to the anchor's: [outer..., n, outer..., n]."""
    shape = spec.index_shape(space)
    dense = torch.zeros(*shape, *shape)
    if space not in vertex.maps:
        dense[matched_index(spec, space, vertex.permutation)] = 1.0
        return dense
    if len(shape) == 1:
        return vertex.maps[space].float()
    depth = len(shape) - 1
    outer = matched_index(spec, spec.ancestors(space)[-1], vertex.permutation)
    pairs = dense.movedim(depth, -2)  # [outer..., outer..., n, n], a view
    pairs[outer] = vertex.maps[space].float()
    return dense


def _inner(gradient: Gradient, point: Gradient) -> float:
    return sum(float((gradient[n] * point[n]).sum(dtype=torch.float64)) for n in gradient)
