"""TIES: task vectors trimmed, their signs elected, and the mean of those that agree."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import torch
from torch import Tensor

from hubmerge.fuse import _selection as selection
from hubmerge.fuse._task_vectors import elected, onto
from hubmerge.fuse.laws import EXCHANGE, PERMUTATIONS
from hubmerge.fuse.options import Says
from hubmerge.fuse.registry import fusion
from hubmerge.symmetry.permutation import State


@fusion(source="arXiv:2306.01708, section 3", laws=(EXCHANGE, PERMUTATIONS), tensorwise=True)
def ties(
    states: Sequence[State],
    weights: Sequence[float],
    *,
    base: State,
    density: Annotated[float, Says("share of each task vector that is kept", 0, 1)] = 0.2,
    scale: Annotated[float, Says("what the merged task vector is multiplied by")] = 1.0,
) -> dict[str, Tensor]:
    """Task vectors trimmed to their largest changes, averaged where the majority sign agrees.

    Changes are trimmed within each tensor, and the mean is over the models that agree.
    """

    def combine(name: str, deltas: Tensor, shares: Tensor) -> Tensor:
        trimmed = torch.stack([largest(delta, density) for delta in deltas])
        return scale * elected(trimmed, shares)

    return onto(base, states, weights, combine)


def largest(delta: Tensor, density: float) -> Tensor:
    """`delta` with all but the share `density` of its largest entries set to 0.

    At least one is kept; of entries of one size the first.
    """
    if density >= 1 or not delta.numel():
        return delta
    if density <= 0:
        return torch.zeros_like(delta)
    kept = selection.largest(delta.abs().flatten(), max(1, int(density * delta.numel())))
    return delta * kept.view_as(delta)
