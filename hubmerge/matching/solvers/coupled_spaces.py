"""Two spaces within one, composed on one axis: the queries of a group, and the inside of each.

A stretch "(kv q rot)" has units whose order is free (`q`) and, inside each of them, the one map
that all share (`rot`). What it says about both cannot be said of either alone. So its similarities
[kv, q, n, kv, q, n] are kept under both names, "q rot", beside those of `rot` [kv, n, kv, n] from
the tensors that hold it alone (keys). Everything here calls such a name, or that of one space, a
key.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise

import torch
from torch import Tensor

from hubmerge.assignment import linear_assignment
from hubmerge.specs.spec import PERMUTE, TWO_SIDED, Group, Spec
from hubmerge.symmetry.element import nearest_map, worth_of_nearest

Blocks = Mapping[str, Tensor]
"""Of every inner space."""

ROUNDS = 20
"""Times at most that the order is solved given the maps, and the maps given the order."""

BETTER = 1e-9
"""Relative rise of what both are worth below which they are settled."""


def innermost(key: str) -> str:
    """The last space of a key: the one that is mapped, of two."""
    return key.rpartition(" ")[2]


def outermost(key: str) -> str:
    """The first space of a key: the one that is reordered, of two."""
    return key.partition(" ")[0]


def is_couple(key: str) -> bool:
    """Whether a key names two spaces."""
    return " " in key


def names_along(spec: Spec, key: str) -> tuple[str, ...]:
    """The spaces a similarity of `key` runs along, outermost first."""
    return (*spec.ancestors(outermost(key)), *key.split(" "))


def shape_of(spec: Spec, key: str) -> tuple[int, ...]:
    """Their sizes: half the shape of the similarity."""
    return tuple(spec.sizes[name] for name in names_along(spec, key))


def couple_on(spec: Spec, names: Sequence[str | None]) -> str | None:
    """The key of the two spaces that a stretch composed of `names` speaks for at once, if any."""
    free = [name for name in names if name is not None and name in spec.free_spaces()]
    for outer, inner in pairwise(free):
        within = spec.spaces[inner].within
        if (
            spec.spaces[inner].may in TWO_SIDED
            and spec.spaces[outer].may == PERMUTE
            and within in free
            and within == spec.spaces[outer].within
            and not any(space.within == outer for space in spec.spaces.values())
            and {*free} == {outer, inner, *spec.ancestors(inner)}
        ):
            return f"{outer} {inner}"
    return None


def couples(spec: Spec, group: Group) -> list[str]:
    """The keys of all couples in `group`: at most one for every space that is mapped."""
    found: dict[str, str] = {}
    for inner in group.members:
        if spec.spaces[inner].may not in TWO_SIDED:
            continue
        for tensor in spec.touched_by[inner]:
            for segments in spec.tensors[tensor].segments:
                keys = (couple_on(spec, segment.names) for segment in segments)
                for key in filter(None, keys):
                    found.setdefault(innermost(key), key)
    return list(found.values())


def belonging(group: Group, similarities: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Those of `similarities` that speak for members of `group`, in the order of its members."""
    keys = sorted(similarities, key=is_couple)
    return {
        key: similarities[key] for name in group.members for key in keys if innermost(key) == name
    }


def spread(key: str, matrix: Tensor) -> Tensor:
    """A map of the innermost space [outer..., n, n] with the axes of `key` in front."""
    return matrix.unsqueeze(-3) if is_couple(key) else matrix


def seen_through(key: str, values: Tensor, matrix: Tensor) -> Tensor:
    """What a couple says of its outer space once the inner one's map is known.

    values: [outer..., m, n, outer..., m, n]. matrix: [outer..., n, n]. Returns
    [outer..., m, outer..., m].
    """
    half = values.ndim // 2
    pairs = values.movedim(half - 1, -2)
    across = spread(key, matrix)
    across = across.reshape(*across.shape[:-2], *[1] * (half - 1), *across.shape[-2:])
    return (pairs * across.to(pairs)).sum((-2, -1))


def solve_couples(spec: Spec, own: Tensor, alone: Blocks, together: Blocks) -> tuple[float, Tensor]:
    """What the best order of the outer space and maps of the inner ones gain, and that order.

    own: [m, m], similarities of the outer space by itself. alone: [n, n] per inner space that is
    spoken for by itself as well. together: [m, n, m, n] per inner space. float64.
    The order and the maps are solved in turns, each given the other, until nothing is gained; once
    from the order that suits units with a map each, once from the maps that suit `alone`. So the
    better of two is an optimum with respect to either, not always of both.
    """
    pairs = {name: values.movedim(1, -2) for name, values in together.items()}  # [m, m, n, n]
    apart = own + sum(worth_of_nearest(spec, name, blocks) for name, blocks in pairs.items())
    starts = [apart]
    if alone:
        starts.append(own + _under(pairs, _nearest(spec, alone)))
    found = [_by_turns(spec, own, alone, pairs, start) for start in starts]
    return max(found, key=lambda each: each[0])


def _by_turns(
    spec: Spec, own: Tensor, alone: Blocks, pairs: Blocks, score: Tensor
) -> tuple[float, Tensor]:
    """From where the order is worth `score` [m, m] to where neither gains."""
    best, order, here = -float("inf"), torch.arange(len(own)), torch.arange(len(own))
    for _ in range(ROUNDS):
        columns = torch.from_numpy(linear_assignment(score.numpy()).columns)
        matched = {name: blocks[here, columns].sum(0) for name, blocks in pairs.items()}
        summed = {name: block + alone.get(name, 0.0) for name, block in matched.items()}
        maps = _nearest(spec, summed)
        worth = sum(float((summed[name] * maps[name]).sum()) for name in maps)
        worth += float(own[here, columns].sum())
        if worth <= best + BETTER * abs(best):
            break
        best, order = worth, columns
        score = own + _under(pairs, maps)
    return best, order


def _nearest(spec: Spec, blocks: Blocks) -> dict[str, Tensor]:
    return {name: nearest_map(spec, name, block) for name, block in blocks.items()}


def _under(pairs: Blocks, maps: Blocks) -> Tensor:
    """[m, m]: what every pair of units is worth under given maps."""
    seen = [(pairs[name] * matrix).sum((-2, -1)) for name, matrix in maps.items()]
    return sum(seen[1:], seen[0])
