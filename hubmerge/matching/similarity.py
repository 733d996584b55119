"""How alike the units of two models are by their weights, given how everything else is matched."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from hubmerge.spec.permutation import (
    Permutation,
    State,
    blur,
    permute_tensor,
    unfold,
)
from hubmerge.spec.spec import Group, Spec

NOTHING: frozenset[str] = frozenset()


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
            theirs = blur(spec, theirs, layout, unknown)
        for space in group.members:
            inner = frozenset(group.members) - {space, *spec.ancestors(space)}
            pairs = zip(
                unfold(spec, ours, layout, space, inner),
                unfold(spec, theirs, layout, space, inner),
                strict=True,
            )
            shape = spec.index_shape(space)
            for left, right in pairs:
                product = left.flatten(0, -2) @ right.flatten(0, -2).T
                product = product.reshape(*shape, *shape)
                total[space] = total[space] + product if space in total else product
    return total


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
        ours = anchor[tensor].double()
        moved = permute_tensor(spec, other[tensor].double(), layout, permutation)
        for a, b in zip(
            unfold(spec, ours, layout, space), unfold(spec, moved, layout, space), strict=True
        ):
            dot = dot + (a * b).sum(-1)
            left, right = left + a.square().sum(-1), right + b.square().sum(-1)
    scale = (left * right).sqrt()
    return float((dot / scale.clamp_min(torch.finfo(torch.float64).tiny)).mean())
