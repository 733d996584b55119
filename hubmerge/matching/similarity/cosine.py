"""How well two models' units are matched, by the cosine of their weights."""

from __future__ import annotations

from functools import partial

import torch
from torch import Tensor

from hubmerge.matching.similarity.weights import NO_MAPS, speaking
from hubmerge.specs.spec import Spec
from hubmerge.symmetry.balance import UNBALANCED, Balance
from hubmerge.symmetry.element import Maps, dual_of, map_tensor
from hubmerge.symmetry.on_demand import OnDemand
from hubmerge.symmetry.permutation import Permutation, State, permute_tensor
from hubmerge.symmetry.stretches import unfold


def correlations(
    spec: Spec,
    anchor: State,
    other: State,
    permutation: Permutation,
    maps: Maps = NO_MAPS,
    balance: Balance = UNBALANCED,
) -> dict[str, tuple[float, float]]:
    """Space -> mean cosine between units and their matches: as found, and as the space came in.

    All other spaces are as found in both. anchor, other: in canonical form, if there are maps.
    balance: what brought them there.
    """
    found = {}
    for group in spec.groups:
        as_given = {
            name: torch.arange(spec.sizes[name]).expand(spec.index_shape(name))
            for name in group.members
        }
        rest = {name: index for name, index in permutation.items() if name not in group.members}
        outside = {name: matrix for name, matrix in maps.items() if name not in group.members}
        place = partial(_of, spec, other, rest, outside)
        names = speaking(spec, group.members)
        placed: State = OnDemand(names, place)
        if not isinstance(other, OnDemand):
            placed = dict(placed)
        within = {name: permutation[name] for name in group.members if name in permutation}
        inside = {name: maps[name] for name in group.members if name in maps}
        for space in group.members:
            without = {name: matrix for name, matrix in inside.items() if name != space}
            order = {**within, space: as_given[space]}
            if space in inside and space in balance.ours:
                without[space] = balance.as_given(spec, space, order)
            came = (order, without)
            found[space] = _mean_cosines(spec, anchor, placed, space, ((within, inside), came))
    return {space: found[space] for space in spec.free_spaces()}


def _of(spec: Spec, state: State, permutation: Permutation, maps: Maps, name: str) -> Tensor:
    return _placed(spec, name, state[name], permutation, maps)


def _placed(spec: Spec, name: str, value: Tensor, permutation: Permutation, maps: Maps) -> Tensor:
    """One tensor permuted, then mapped."""
    layout = spec.tensors[name]
    duals = {space: dual_of(spec, space, matrix) for space, matrix in maps.items()}
    return map_tensor(spec, permute_tensor(spec, value, layout, permutation), layout, maps, duals)


def _mean_cosines(
    spec: Spec,
    anchor: State,
    other: State,
    space: str,
    elements: tuple[tuple[Permutation, Maps], tuple[Permutation, Maps]],
) -> tuple[float, float]:
    """Mean cosine of the units of one space under each of two elements."""
    zero = torch.zeros(spec.index_shape(space), dtype=torch.float64)
    left, dot, right = zero, [zero, zero], [zero, zero]
    for tensor in speaking(spec, (space,)):
        layout = spec.tensors[tensor]
        ours = [*unfold(spec, anchor[tensor], layout, space)]
        left = left + sum(_squares(rows) for rows in ours)
        for k, element in enumerate(elements):
            moved = _placed(spec, tensor, other[tensor], *element)
            for a, b in zip(ours, unfold(spec, moved, layout, space), strict=True):
                dot[k] = dot[k] + torch.linalg.vecdot(a.to(b.dtype), b).double().cpu()
                right[k] = right[k] + _squares(b)
    tiny = torch.finfo(torch.float64).tiny
    first, second = (
        float((d / (left * r).sqrt().clamp_min(tiny)).mean())
        for d, r in zip(dot, right, strict=True)
    )
    return first, second


def _squares(rows: Tensor) -> Tensor:
    return torch.linalg.vecdot(rows, rows).double().cpu()
