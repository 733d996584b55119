"""The symmetry that gains most, given how alike the units of a group are: one exact solution.

Permuted spaces by linear assignment, those whose signs are free by the assignment on magnitudes;
rotated and linear ones by the polar factor (orthogonal Procrustes), rotary ones by that of every
pair of units, which for linear and rotary spaces is meant in balanced coordinates. Where such a
space lies within heads, every pair of heads is scored by what its best map gains: the sum of
singular values.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from hubmerge.matching.similarity.keys import belonging, innermost, is_couple
from hubmerge.matching.similarity.matched import inner_product, matched_blocks, matched_entries
from hubmerge.matching.solvers.space_assignment import Warm, assign_nested
from hubmerge.specs.spec import FLIP, Group, Spec
from hubmerge.symmetry.element import Symmetry, nearest_map, signed
from hubmerge.symmetry.permutation import identity


def best_element(
    spec: Spec, group: Group, similarities: Mapping[str, Tensor], warm: Warm | None = None
) -> Symmetry:
    """The element of `group` with the largest summed similarity.

    similarities[s]: [outer sizes..., n, outer sizes..., n], floating, rows for the anchor's units;
        a space, or couple, that is missing adds nothing. Polar factors are taken in float64.
    warm: the last assignment of every space of its own: a start, which is replaced.
    Returns: permutations of all members that have orders, the identity where they are mapped; and
    those maps.
    """
    kinds, untouched = spec.mapped_spaces(), identity(spec)
    given = belonging(group, similarities)
    if group.root in kinds:
        permutation = {name: untouched[name] for name in (group.root,) if name in untouched}
        if group.root not in given:
            return Symmetry(permutation)
        matrix = matched_blocks(spec, group.root, given[group.root], {}).cpu().double()
        if kinds[group.root] == FLIP:
            order = assign_nested(spec, group.root, {group.root: matrix.abs()})[group.root]
            picked = matrix.gather(1, order.unsqueeze(1)).squeeze(1)
            return Symmetry(permutation, {group.root: signed(order, picked < 0)})
        return Symmetry(permutation, {group.root: nearest_map(spec, group.root, matrix)})
    mapped = {key: values for key, values in given.items() if innermost(key) in kinds}
    plain = {name: values for name, values in given.items() if innermost(name) not in kinds}
    permutation = assign_nested(spec, group.root, plain, rotated=mapped, warm=warm)
    permutation |= {n: untouched[n] for n in group.members if n in kinds and n in untouched}
    blocks: dict[str, Tensor] = {}
    for key, values in mapped.items():
        name, block = innermost(key), matched_blocks(spec, key, values, permutation).cpu().double()
        block = block.sum(-3) if is_couple(key) else block
        blocks[name] = blocks[name] + block if name in blocks else block
    maps = {name: nearest_map(spec, name, block) for name, block in blocks.items()}
    return Symmetry(permutation, maps)


def worth(spec: Spec, similarities: Mapping[str, Tensor], symmetry: Symmetry) -> float:
    """Summed similarity of what `symmetry` brings together."""
    return sum(
        float(
            inner_product(spec, similarities, symmetry, space).sum(dtype=torch.float64)
            if innermost(space) in symmetry.maps
            else matched_entries(spec, space, values, symmetry.permutation).sum(dtype=torch.float64)
        )
        for space, values in similarities.items()
    )


def part_of(symmetry: Symmetry, members: Sequence[str], *, inside: bool) -> Symmetry:
    """What `symmetry` does to the spaces in `members`, or (inside=False) to all others."""
    wanted = set(members)
    return Symmetry(
        {s: i for s, i in symmetry.permutation.items() if (s in wanted) == inside},
        {s: m for s, m in symmetry.maps.items() if (s in wanted) == inside},
    )


def joined(parts: Sequence[Symmetry]) -> Symmetry:
    """Elements of different groups as one."""
    return Symmetry(
        {space: index for part in parts for space, index in part.permutation.items()},
        {space: matrix for part in parts for space, matrix in part.maps.items()},
    )
