"""Two coupled spaces solved in turns: the order of the outer one, the maps of the inner ones."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from hubmerge.assignment import best_columns
from hubmerge.specs.spec import Spec
from hubmerge.symmetry.element import nearest_map, worth_of_nearest

Blocks = Mapping[str, Tensor]
"""Of every inner space."""

ROUNDS = 20
"""Times at most that the order is solved given the maps, and the maps given the order."""

BETTER = 1e-9
"""Relative rise of what both are worth below which they are settled."""


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
        columns = torch.from_numpy(best_columns(score.numpy()))
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
