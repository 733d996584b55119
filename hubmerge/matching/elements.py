"""The symmetry that gains most, given how alike the units of a group are: one exact solution.

Permuted spaces by linear assignment, those whose signs are free by the assignment on magnitudes;
rotated and linear ones by the polar factor (orthogonal Procrustes), which for linear spaces is
meant in balanced coordinates. Where such a space lies
within heads, every pair of heads is scored by what its best rotation gains: the sum of singular
values.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from hubmerge.matching.assignment import assign_nested
from hubmerge.spec.permutation import identity
from hubmerge.spec.spec import FLIP, Group, Spec
from hubmerge.spec.symmetry import Symmetry, fixes_one, nearest_rotation, signed


def best_element(spec: Spec, group: Group, similarities: Mapping[str, Tensor]) -> Symmetry:
    """The element of `group` with the largest summed similarity.

    similarities[s]: [outer sizes..., n, outer sizes..., n], float64, rows for the anchor's units;
        a space that is missing adds nothing.
    Returns: permutations of all members, the identity where they are mapped; and those maps.
    """
    kinds = spec.mapped_spaces()
    mapped = [name for name in group.members if name in kinds]
    plain = {n: s for n, s in similarities.items() if n in group.members and n not in kinds}
    if group.root in kinds:
        matrix = similarities.get(group.root)
        permutation = {group.root: identity(spec)[group.root]}
        if matrix is None:
            return Symmetry(permutation)
        if kinds[group.root] == FLIP:
            order = assign_nested(spec, group.root, {group.root: matrix.abs()})[group.root]
            worth = matrix.gather(1, order.unsqueeze(1)).squeeze(1)
            return Symmetry(permutation, {group.root: signed(order, worth < 0)})
        turned = nearest_rotation(matrix, fixing_one=fixes_one(spec, group.root))
        return Symmetry(permutation, {group.root: turned})
    for name in mapped:
        if name in similarities:
            root = group.root
            gains = _pair_gains(similarities[name], len(spec.index_shape(root)))
            plain[root] = plain[root] + gains if root in plain else gains
    permutation = assign_nested(spec, group.root, plain)
    untouched = identity(spec)
    permutation |= {name: untouched[name] for name in mapped}
    maps = {
        name: nearest_rotation(_matched_blocks(spec, name, similarities[name], permutation))
        for name in mapped
        if name in similarities
    }
    return Symmetry(permutation, maps)


def inner_product(
    spec: Spec, similarities: Mapping[str, Tensor], symmetry: Symmetry, space: str
) -> Tensor:
    """Summed similarity of a mapped `space` under `symmetry`, per outer unit: [outer sizes...]."""
    blocks = _matched_blocks(spec, space, similarities[space], symmetry.permutation)
    return (blocks * symmetry.maps[space]).sum((-2, -1))


def _pair_gains(similarity: Tensor, depth: int) -> Tensor:
    """[outer..., outer...]: sums of singular values of the block of every pair of outer units.

    similarity: [outer (depth axes)..., n, outer..., n].
    """
    blocks = similarity.movedim(depth, -2)
    return torch.linalg.svdvals(blocks).sum(-1)


def _matched_blocks(
    spec: Spec, space: str, similarity: Tensor, permutation: Mapping[str, Tensor]
) -> Tensor:
    """[outer..., n, n]: every new outer unit of the anchor against the one matched to it."""
    outer = spec.ancestors(space)
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
