"""Localize-and-Stitch: the largest changes of every task, in the whole model, put onto the base."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import torch
from torch import Tensor

from hubmerge.fuse._running_statistics import is_statistic
from hubmerge.fuse._task_vectors import onto
from hubmerge.fuse.laws import EXCHANGE, PERMUTATIONS
from hubmerge.fuse.options import Says
from hubmerge.fuse.registry import fusion
from hubmerge.symmetry.permutation import State


@fusion(source="arXiv:2408.13656, section 3", laws=(EXCHANGE, PERMUTATIONS))
def localize_and_stitch(
    states: Sequence[State],
    weights: Sequence[float],
    *,
    base: State,
    density: Annotated[float, Says("share of all changes of a model that is kept", 0, 1)] = 0.1,
    scale: Annotated[float, Says("what the merged task vector is multiplied by")] = 1.0,
) -> dict[str, Tensor]:
    """The largest changes of each model, averaged where those of several models overlap.

    The way without data: which changes are kept is decided over the whole model by their size. The
    paper's other way learns it on labelled rows.
    """
    least = [_least(state, base, density) for state in states]

    def combine(name: str, deltas: Tensor, shares: Tensor) -> Tensor:
        bounds = torch.stack(least).to(deltas.dtype).view_as(shares)
        kept = shares * (deltas.abs() >= bounds) * (deltas != 0)
        total = kept.sum(0)
        return scale * (kept * deltas).sum(0) / torch.where(total == 0, 1.0, total)

    return onto(base, states, weights, combine)


def _least(state: State, base: State, density: float) -> Tensor:
    """The size of the smallest change that is among the largest, float64."""
    sizes = torch.cat(
        [
            (state[name].double() - start.double()).abs().flatten()
            for name, start in base.items()
            if start.is_floating_point() and not is_statistic(name)
        ]
    )
    kept = int(density * len(sizes))
    if not kept:
        return torch.tensor(torch.inf, dtype=torch.float64)
    return sizes.kthvalue(len(sizes) - kept + 1).values
