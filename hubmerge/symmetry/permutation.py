"""Permutations of a model's free spaces, as pure functions on tensors.

A permutation of a space is an index tensor p with new[i] = old[p[i]]: [n] for a space of its own,
[heads, n] for one nested within heads, where row h orders the inside of the *new* head h. A space
that is not named stays as it is.
"""

from __future__ import annotations

from collections.abc import Mapping
from math import prod

import torch
from torch import Tensor

from hubmerge.specs.notation import Segment
from hubmerge.specs.spec import Layout, Spec

State = Mapping[str, Tensor]
Permutation = Mapping[str, Tensor]


def identity(spec: Spec) -> dict[str, Tensor]:
    """The permutation that moves nothing, with every space named that has other orders."""
    return {
        name: torch.arange(size).expand(spec.index_shape(name)).clone()
        for name, size in spec.ordered_spaces().items()
    }


def random_permutation(spec: Spec, seed: int) -> dict[str, Tensor]:
    """A uniformly random element, every space and every inside drawn independently."""
    generator = torch.Generator().manual_seed(seed)

    def draw(shape: tuple[int, ...]) -> Tensor:
        *outer, size = shape
        rows = [torch.randperm(size, generator=generator) for _ in range(prod(outer))]
        return torch.stack(rows).reshape(shape)

    return {name: draw(spec.index_shape(name)) for name in spec.ordered_spaces()}


def permute(spec: Spec, state: State, permutation: Permutation) -> dict[str, Tensor]:
    """`state` with every tensor's axes reordered; tensors no named space touches are shared.

    Raises KeyError if `state` lacks a tensor the spec names.
    """
    moved = dict(state)
    for name, layout in spec.tensors.items():
        moved[name] = permute_tensor(spec, state[name], layout, permutation)
    return moved


def permute_tensor(spec: Spec, tensor: Tensor, layout: Layout, permutation: Permutation) -> Tensor:
    """One tensor with its axes reordered (the tensor itself if nothing touches it)."""
    for number, segments in enumerate(layout.segments):
        if not any(name in permutation for segment in segments for name in segment.names):
            continue
        outer = layout.outer_axes(spec, number)
        index = axis_index(spec, layout, number, permutation).to(tensor.device)
        if not outer:
            tensor = tensor.index_select(number, index)
            continue
        front = range(len(outer) + 1)
        rows = tensor.movedim((*outer, number), tuple(front))
        index = index.view(*index.shape, *[1] * (rows.ndim - index.ndim)).expand(rows.shape)
        tensor = rows.gather(len(outer), index).movedim(tuple(front), (*outer, number))
    return tensor


def axis_index(spec: Spec, layout: Layout, number: int, permutation: Permutation) -> Tensor:
    """index[new position] = old position along axis `number` of a tensor.

    Where a space lies within one that has an axis of its own (stacked experts), every new
    position there has an index of its own: [outer sizes..., size].
    """
    outer = [layout.axes[k].name or "" for k in layout.outer_axes(spec, number)]
    outer_sizes = [spec.sizes[name] for name in outer]
    segments = layout.segments[number]
    if not outer and len(segments) == len(segments[0].grids) == 1:  # nothing but one space
        given = permutation.get(segments[0].grids[0].name or "")
        return torch.arange(layout.sizes[number]) if given is None else given.long()
    index = torch.arange(layout.sizes[number]).repeat(*outer_sizes, 1)
    for segment in segments:
        there = torch.full((*outer_sizes, *segment.shape), segment.offset)
        names, sizes = (*outer, *segment.names), there.shape
        for place, grid in enumerate(segment.grids, start=len(outer)):
            coordinate = torch.arange(grid.size).view(_along(sizes, place))
            if grid.name is not None and grid.name in permutation:
                wanted = (*spec.ancestors(grid.name), grid.name)
                coordinate = _spread(permutation[grid.name], names, sizes, wanted)
            there = there + grid.stride * coordinate
        if len(segments) == 1:  # which runs over the axis in order
            return there.flatten(len(outer))
        index[..., positions(segment).flatten()] = there.flatten(len(outer))
    return index


def _spread(
    index: Tensor, names: tuple[str | None, ...], sizes: tuple[int, ...], wanted: tuple[str, ...]
) -> Tensor:
    """`index`, whose axes are `wanted`, broadcastable over a grid whose axes are `names`."""
    places = [names.index(name) for name in wanted]
    order = sorted(range(len(places)), key=lambda k: places[k])
    shape = [sizes[k] if k in places else 1 for k in range(len(sizes))]
    return index.permute(order).reshape(shape)


def _along(sizes: tuple[int, ...], place: int) -> list[int]:
    return [size if k == place else 1 for k, size in enumerate(sizes)]


def positions(segment: Segment) -> Tensor:
    """Positions of the segment along its axis, in the shape of its factors."""
    there = torch.full(segment.shape, segment.offset)
    for place, grid in enumerate(segment.grids):
        there = there + grid.stride * torch.arange(grid.size).view(_along(segment.shape, place))
    return there


def blur(spec: Spec, tensor: Tensor, layout: Layout, spaces: frozenset[str]) -> Tensor:
    """`tensor` with every named space averaged out: what all its permutations have in common."""
    for number, segments in enumerate(layout.segments):
        for segment in segments:
            places = [k for k, name in enumerate(segment.names) if name in spaces]
            if places:
                index = positions(segment).flatten().to(tensor.device)
                rows = tensor.index_select(number, index).movedim(number, 0)
                grid = rows.reshape(*segment.shape, *rows.shape[1:])
                mean = grid.mean(dim=places, keepdim=True).expand_as(grid)
                tensor = tensor.index_copy(
                    number, index, mean.reshape(rows.shape).movedim(0, number)
                )
    return tensor


def invert(spec: Spec, permutation: Permutation) -> dict[str, Tensor]:
    """The permutation that undoes `permutation`: permuting by both leaves everything in place."""
    undone: dict[str, Tensor] = {}
    for name, index in permutation.items():
        outer = outer_index(spec, name, permutation)
        inverse = torch.empty_like(index)
        inverse[outer] = torch.argsort(index, dim=-1)
        undone[name] = inverse
    return undone


def compose(spec: Spec, first: Permutation, then: Permutation) -> dict[str, Tensor]:
    """The one permutation that equals permuting by `first` and after that by `then`."""
    start = {**identity(spec), **first}
    after = {**identity(spec), **then}
    composed: dict[str, Tensor] = {}
    for name, index in after.items():
        rows = start[name][outer_index(spec, name, after)]
        composed[name] = rows.gather(-1, index)
    return composed


def outer_index(spec: Spec, name: str, permutation: Permutation) -> tuple[Tensor, ...]:
    """Index that picks, for every new outer unit, the old one it came from."""
    outer = spec.ancestors(name)
    if not outer:
        return (...,)  # type: ignore[return-value]
    picked = []
    for depth, space in enumerate(outer):
        shape = spec.index_shape(name)[:-1]
        index = permutation.get(space)
        if index is None:
            index = torch.arange(spec.sizes[space])
            view = [1] * len(shape)
            view[depth] = -1
            index = index.view(view)
        else:
            index = index.reshape(*index.shape, *[1] * (len(shape) - index.ndim))
        picked.append(index.expand(shape))
    return tuple(picked)


def moved_units(index: Tensor) -> int:
    """How many units of a space do not stay in their place."""
    return int((index != torch.arange(index.shape[-1])).sum())
