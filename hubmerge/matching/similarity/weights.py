"""How alike the units of two models are by their weights, given how everything else is matched."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from math import prod

import torch
from torch import Tensor

from hubmerge.matching.similarity.keys import couples, innermost, outermost, shape_of
from hubmerge.specs.spec import Group, Layout, Spec
from hubmerge.symmetry.element import Maps, dual_of, fixes_one, map_tensor
from hubmerge.symmetry.permutation import (
    Permutation,
    State,
    axis_index,
    blur,
    permute_tensor,
)
from hubmerge.symmetry.stretches import unfold

NOTHING: frozenset[str] = frozenset()
NO_MAPS: Maps = {}
SIXTEENTHS = 16
"""Positions that moved are counted in so many parts of a space."""

DENSE = 0.8
"""Share of positions from which picking those that moved costs more than it saves."""


def group_similarities(
    spec: Spec,
    anchor: State,
    other: State,
    group: Group,
    permutation: Permutation,
    unknown: frozenset[str] = NOTHING,
    *,
    maps: Maps = NO_MAPS,
    dtype: torch.dtype = torch.float64,
    products: torch.dtype | None = None,
) -> dict[str, Tensor]:
    """Inner products of the anchor's units with the other's, for every member of `group`.

    All other spaces are permuted by `permutation` and then mapped by `maps`; those in `unknown`
    count as their barycentre, the mean of all they may become (of a rotated space nothing, but for
    what rotations fix). Running statistics say nothing and are left out.

    products: the precision of products with nothing averaged out, `dtype` by default.
    Returns: member -> `dtype` [outer..., n, outer..., n], rows the anchor's; a stretch of a tensor
    that composes several members speaks for the innermost one, or for a couple of them.
    """
    rest = {name: index for name, index in permutation.items() if name not in group.members}
    others = {name: matrix for name, matrix in maps.items() if name not in group.members}
    duals = {name: dual_of(spec, name, matrix) for name, matrix in others.items()}
    total: dict[str, Tensor] = {}
    for tensor in speaking(spec, group.members):
        layout = spec.tensors[tensor]
        averaged = unknown.intersection(layout.names())
        ours = anchor[tensor].to(dtype if averaged else products or dtype)
        theirs = permute_tensor(spec, other[tensor].to(ours.dtype), layout, rest)
        theirs = map_tensor(spec, theirs, layout, others, duals)
        if averaged:
            ours, theirs = _averaged_out(spec, ours, theirs, layout, unknown)
        for space, left, right in unit_rows(spec, group, layout, ours, theirs):
            _add(total, spec, space, left @ right.T, dtype)
    return total


def updated_similarities(
    spec: Spec,
    anchor: State,
    other: State,
    group: Group,
    permutation: Permutation,
    earlier: Permutation,
    similarities: dict[str, Tensor],
) -> dict[str, Tensor]:
    """`similarities` of `group` as they were with `earlier`, brought up to `permutation`, in place.

    Products are linear in what the other's units hold, so only the columns in which units moved
    are multiplied anew: by their difference.
    """
    moved = {
        name
        for name, index in permutation.items()
        if name not in group.members and not torch.equal(index, earlier[name])
    }
    before, after = (
        {name: index for name, index in indices.items() if name not in group.members}
        for indices in (earlier, permutation)
    )
    dtype = next(iter(similarities.values())).dtype
    for tensor in speaking(spec, group.members):
        layout = spec.tensors[tensor]
        if not moved.intersection(layout.names()):
            continue
        ours, change = _what_moved(
            spec, group, layout, anchor[tensor], other[tensor], before, after, dtype
        )
        for space, left, right in unit_rows(spec, group, layout, ours, change):
            _add(similarities, spec, space, left @ right.T, dtype)
    return similarities


def _in_sixteenths(moved: Tensor) -> Tensor:
    """Positions that hold all of `moved` [n]: as many sixteenths of n as that takes.

    Those that stayed add a difference of nothing; but for every shape it has not met, bfloat16
    multiplication compiles a kernel, and keeps it.
    """
    size = len(moved)
    step = -(-size // SIXTEENTHS)
    count = min(size, -(-int(moved.sum()) // step) * step)
    return moved.int().argsort(descending=True, stable=True)[:count].sort().values


def _what_moved(
    spec: Spec,
    group: Group,
    layout: Layout,
    ours: Tensor,
    theirs: Tensor,
    before: Permutation,
    after: Permutation,
    dtype: torch.dtype,
) -> tuple[Tensor, Tensor]:
    """Two tensors whose inner products are those with `theirs` permuted by `after` - `before`.

    Where only one axis differs, and by few positions, both hold those positions alone.
    """
    axes = [
        number
        for number, axis in enumerate(layout.axes)
        if any(not torch.equal(before[name], after[name]) for name in axis.names() if name in after)
    ]
    names = {*layout.axes[axes[0]].names()}
    if len(axes) == 1 and not layout.outer_axes(spec, axes[0]) and not names & {*group.members}:
        old, new = (axis_index(spec, layout, axes[0], index) for index in (before, after))
        moved = _in_sixteenths(old != new)
        if len(moved) < DENSE * len(new):
            rest = {name: index for name, index in after.items() if name not in names}
            place = partial(permute_tensor, spec, layout=layout, permutation=rest)

            def picked(tensor: Tensor, index: Tensor) -> Tensor:
                return tensor.index_select(axes[0], index.to(tensor.device)).to(dtype)

            change = picked(theirs, new[moved]) - picked(theirs, old[moved])
            return picked(ours, moved), place(change)
    source = theirs.to(dtype)
    change = permute_tensor(spec, source, layout, after)
    change = change - permute_tensor(spec, source, layout, before)
    return ours.to(dtype), change


def unit_rows(
    spec: Spec, group: Group, layout: Layout, ours: Tensor, theirs: Tensor
) -> Iterator[tuple[str, Tensor, Tensor]]:
    """Member of `group` (or couple of them), and its units as rows [outer * n, rest] of both
    versions of a tensor.
    """
    for key in (*group.members, *couples(spec, group)):
        space, other = innermost(key), outermost(key)
        beside = None if other == space else other
        inner = frozenset(group.members) - {space, other, *spec.ancestors(space)}
        for left, right in zip(
            unfold(spec, ours, layout, space, inner, beside),
            unfold(spec, theirs, layout, space, inner, beside),
            strict=True,
        ):
            yield key, left.flatten(0, -2), right.flatten(0, -2)


def share_moved(spec: Spec, group: Group, permutation: Permutation, earlier: Permutation) -> float:
    """Share of the entries multiplied for `group` that stand elsewhere than with `earlier`."""
    moved = {
        name: float((index != earlier[name]).float().mean())
        for name, index in permutation.items()
        if name not in group.members
    }
    changed = total = 0.0
    for tensor in speaking(spec, group.members):
        layout = spec.tensors[tensor]
        size, kept = float(prod(layout.sizes)), 1.0
        for name in set(layout.names()):
            kept *= 1 - moved.get(name, 0.0)
        total += size
        changed += size * (1 - kept)
    return changed / max(total, 1.0)


def _add(
    total: dict[str, Tensor], spec: Spec, space: str, product: Tensor, dtype: torch.dtype
) -> None:
    shape = shape_of(spec, space)
    product = product.reshape(*shape, *shape)
    if space in total:
        total[space] += product
    else:
        total[space] = product.to(dtype)


def _averaged_out(
    spec: Spec, ours: Tensor, theirs: Tensor, layout: Layout, unknown: frozenset[str]
) -> tuple[Tensor, Tensor]:
    """Two tensors whose inner products are those with `theirs` averaged over `unknown` spaces.

    Along an axis that is unknown as a whole the mean of theirs, and the sum of ours, say the same
    with less to multiply.
    """
    kinds = spec.mapped_spaces()
    if any(name in kinds and not fixes_one(spec, name) for name in unknown & {*layout.names()}):
        theirs = torch.zeros_like(theirs)
    for number, segments in enumerate(layout.segments):
        if len(segments) == 1 and unknown.issuperset(segments[0].names):
            ours = ours.sum(number, keepdim=True)
            theirs = theirs.mean(number, keepdim=True)
    return ours, blur(spec, theirs, layout, _in_part(layout, unknown))


def _in_part(layout: Layout, unknown: frozenset[str]) -> frozenset[str]:
    """The names in `unknown` that stand on an axis which holds anything else."""
    return frozenset(
        name
        for segments in layout.segments
        for segment in segments
        for name in segment.names
        if name in unknown and not (len(segments) == 1 and unknown.issuperset(segment.names))
    )


def parameters(spec: Spec, spaces: tuple[str, ...]) -> list[str]:
    """Tensors that run along any of `spaces`, running statistics aside, each once."""
    touched = {tensor: None for space in spaces for tensor in spec.touched_by[space]}
    return [tensor for tensor in touched if tensor not in spec.silent]


def speaking(spec: Spec, spaces: tuple[str, ...]) -> list[str]:
    """`parameters` but for those that maps do not mix, such as the gains of norms: 1 by then."""
    return [tensor for tensor in parameters(spec, spaces) if tensor not in spec.unsigned]
