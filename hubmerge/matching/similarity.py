"""How alike the units of two models are by their weights, given how everything else is matched."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import torch
from torch import Tensor

from hubmerge.spec.permutation import (
    Permutation,
    State,
    blur,
    permute_tensor,
    unfold,
)
from hubmerge.spec.spec import Group, Layout, Spec

NOTHING: frozenset[str] = frozenset()
DENSE = 0.8
"""Share of columns from which picking those that changed costs more than it saves."""


def group_similarities(
    spec: Spec,
    anchor: State,
    other: State,
    group: Group,
    permutation: Permutation,
    unknown: frozenset[str] = NOTHING,
    *,
    dtype: torch.dtype = torch.float64,
) -> dict[str, Tensor]:
    """Inner products of the anchor's units with the other's, for every member of `group`.

    All other spaces are permuted by `permutation`; those in `unknown` count as their barycentre.
    Running statistics say nothing and are left out.

    Returns: member -> `dtype` [outer..., n, outer..., n], rows the anchor's; a stretch of a tensor
    that composes several members speaks for the innermost one.
    """
    rest = {name: index for name, index in permutation.items() if name not in group.members}
    total: dict[str, Tensor] = {}
    for tensor in parameters(spec, group.members):
        layout = spec.tensors[tensor]
        ours = anchor[tensor].to(dtype)
        theirs = permute_tensor(spec, other[tensor].to(dtype), layout, rest)
        if unknown.intersection(layout.names()):
            ours, theirs = _averaged_out(spec, ours, theirs, layout, unknown)
        for space, left, right in unit_rows(spec, group, layout, ours, theirs):
            _add(total, spec, space, left @ right.T)
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
    for tensor in parameters(spec, group.members):
        layout = spec.tensors[tensor]
        if not moved.intersection(layout.names()):
            continue
        ours = anchor[tensor].to(next(iter(similarities.values())).dtype)
        source = other[tensor].to(ours.dtype)
        change = permute_tensor(spec, source, layout, after) - permute_tensor(
            spec, source, layout, before
        )
        for space, left, right in unit_rows(spec, group, layout, ours, change):
            columns = right.any(dim=0).nonzero().flatten()
            if len(columns) < DENSE * right.shape[1]:
                left, right = left[:, columns], right[:, columns]
            _add(similarities, spec, space, left @ right.T)
    return similarities


def unit_rows(
    spec: Spec, group: Group, layout: Layout, ours: Tensor, theirs: Tensor
) -> Iterator[tuple[str, Tensor, Tensor]]:
    """Member of `group`, and its units as rows [outer * n, rest] of both versions of a tensor."""
    for space in group.members:
        inner = frozenset(group.members) - {space, *spec.ancestors(space)}
        for left, right in zip(
            unfold(spec, ours, layout, space, inner),
            unfold(spec, theirs, layout, space, inner),
            strict=True,
        ):
            yield space, left.flatten(0, -2), right.flatten(0, -2)


def _add(total: dict[str, Tensor], spec: Spec, space: str, product: Tensor) -> None:
    shape = spec.index_shape(space)
    product = product.reshape(*shape, *shape)
    if space in total:
        total[space] += product
    else:
        total[space] = product


def _averaged_out(
    spec: Spec, ours: Tensor, theirs: Tensor, layout: Layout, unknown: frozenset[str]
) -> tuple[Tensor, Tensor]:
    """Two tensors whose inner products are those with `theirs` averaged over `unknown` spaces.

    Along an axis that is unknown as a whole theirs is constant then: one entry of it, and the sum
    of ours, say the same with less to multiply.
    """
    theirs = blur(spec, theirs, layout, unknown)
    for number, segments in enumerate(layout.segments):
        if len(segments) == 1 and unknown.issuperset(segments[0].names):
            ours = ours.sum(number, keepdim=True)
            theirs = theirs.narrow(number, 0, 1)
    return ours, theirs


def parameters(spec: Spec, spaces: tuple[str, ...]) -> list[str]:
    """Tensors that run along any of `spaces`, running statistics aside, each once."""
    touched = {tensor: None for space in spaces for tensor in spec.touched_by[space]}
    return [tensor for tensor in touched if tensor not in spec.buffers]


def matched_entries(spec: Spec, space: str, similarity: Tensor, permutation: Permutation) -> Tensor:
    """similarity[i, p[i]] for every unit of `space`, in the shape of its permutation."""
    return similarity[matched_index(spec, space, permutation)]


def matched_index(spec: Spec, space: str, permutation: Permutation) -> tuple[Tensor, ...]:
    """Index of the matched pairs in a similarity [outer..., n, outer..., n]."""
    shape = spec.index_shape(space)
    here = [
        torch.arange(size).view([-1 if k == depth else 1 for k in range(len(shape))])
        for depth, size in enumerate(shape)
    ]
    there = [
        permutation[name].reshape(
            *permutation[name].shape, *[1] * (len(shape) - permutation[name].ndim)
        )
        if name in permutation
        else here[depth]
        for depth, name in enumerate((*spec.ancestors(space), space))
    ]
    return tuple(index.expand(shape) for index in (*here, *there))


def total_similarity(
    spec: Spec, similarities: Mapping[str, Tensor], permutation: Permutation
) -> float:
    """Summed similarity of the matched pairs."""
    return sum(
        float(matched_entries(spec, space, values, permutation).sum(dtype=torch.float64))
        for space, values in similarities.items()
    )


def correlations(
    spec: Spec, anchor: State, other: State, permutation: Permutation
) -> dict[str, tuple[float, float]]:
    """Space -> mean cosine between units and their matches: as found, and in the order given."""
    found = {}
    for space, size in spec.free_spaces().items():
        as_given = {**permutation, space: torch.arange(size).expand(spec.index_shape(space))}
        found[space] = (
            _mean_cosine(spec, anchor, other, space, permutation),
            _mean_cosine(spec, anchor, other, space, as_given),
        )
    return found


def _mean_cosine(
    spec: Spec, anchor: State, other: State, space: str, permutation: Permutation
) -> float:
    dot = left = right = torch.zeros(spec.index_shape(space), dtype=torch.float64)
    for tensor in parameters(spec, (space,)):
        layout = spec.tensors[tensor]
        ours = anchor[tensor]
        moved = permute_tensor(spec, other[tensor], layout, permutation)
        for a, b in zip(
            unfold(spec, ours, layout, space), unfold(spec, moved, layout, space), strict=True
        ):
            dot = dot + (a * b).sum(-1, dtype=torch.float64)
            left = left + a.square().sum(-1, dtype=torch.float64)
            right = right + b.square().sum(-1, dtype=torch.float64)
    scale = (left * right).sqrt()
    return float((dot / scale.clamp_min(torch.finfo(torch.float64).tiny)).mean())
