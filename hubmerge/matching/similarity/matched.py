"""What a similarity says of the units that a symmetry brings together."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from hubmerge.matching.similarity.keys import innermost, names_along, shape_of, spread
from hubmerge.specs.spec import Spec
from hubmerge.symmetry.element import Symmetry
from hubmerge.symmetry.permutation import Permutation


def matched_entries(spec: Spec, space: str, similarity: Tensor, permutation: Permutation) -> Tensor:
    """similarity[i, p[i]] for every unit of `space`, in the shape of its permutation."""
    return similarity[matched_index(spec, space, permutation)]


def matched_index(spec: Spec, space: str, permutation: Permutation) -> tuple[Tensor, ...]:
    """Index of the matched pairs in a similarity [outer..., n, outer..., n]."""
    names = names_along(spec, space)
    shape = shape_of(spec, space)
    here = [
        torch.arange(size).view([-1 if k == depth else 1 for k in range(len(shape))])
        for depth, size in enumerate(shape)
    ]
    there = [
        permutation[name].reshape(
            *permutation[name].shape, *[1] * (len(shape) - permutation[name].ndim)
        )
        if name in permutation and spec.ancestors(name) == names[:depth]
        else here[depth]
        for depth, name in enumerate(names)
    ]
    return tuple(index.expand(shape) for index in (*here, *there))


def inner_product(
    spec: Spec, similarities: Mapping[str, Tensor], symmetry: Symmetry, space: str
) -> Tensor:
    """Summed similarity of a mapped `space` under `symmetry`, per outer unit: [outer sizes...].

    space: or a couple of which one is mapped.
    """
    blocks = matched_blocks(spec, space, similarities[space], symmetry.permutation)
    maps = symmetry.maps[innermost(space)].to(device=blocks.device)
    return (blocks * spread(space, maps)).sum((-2, -1))


def matched_blocks(
    spec: Spec, space: str, similarity: Tensor, permutation: Mapping[str, Tensor]
) -> Tensor:
    """[outer..., n, n]: every new outer unit of the anchor against the one matched to it."""
    outer = names_along(spec, space)[:-1]
    if not outer:
        return similarity
    blocks = similarity.movedim(len(outer), -2)
    here = torch.meshgrid(*(torch.arange(spec.sizes[o]) for o in outer), indexing="ij")
    there = []
    for depth, name in enumerate(outer):
        index = permutation.get(name, here[depth])
        shape = (*index.shape, *[1] * (len(outer) - index.ndim))
        there.append(index.reshape(shape).expand_as(here[depth]))
    return blocks[(*here, *there)]
