"""TIES: task vectors trimmed, their signs elected, and the mean of those that agree."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

from torch import Tensor

from hubmerge.fuse._selection import largest
from hubmerge.fuse._task_vectors import AGREEING, each, elected, onto_masked
from hubmerge.fuse.laws import EXCHANGE, PERMUTATIONS
from hubmerge.fuse.options import PerModel, Says
from hubmerge.fuse.registry import fusion
from hubmerge.symmetry.permutation import State


@fusion(source="arXiv:2306.01708, section 3", laws=(EXCHANGE, PERMUTATIONS), tensorwise=True)
def ties(
    states: Sequence[State],
    weights: Sequence[float],
    *,
    base: State,
    density: Annotated[PerModel, Says("share of each task vector that is kept", 0, 1)] = 0.2,
    scale: Annotated[float, Says("what the merged task vector is multiplied by")] = 1.0,
    normalize: Annotated[bool, Says(AGREEING)] = True,
) -> dict[str, Tensor]:
    """Task vectors trimmed to their largest changes, averaged where the majority sign agrees.

    Changes are trimmed within each tensor, and the mean is over the models that agree.
    """
    densities = each(density, len(states))

    def mask(name: str, delta: Tensor, number: int) -> Tensor:
        return largest(delta.abs_(), kept_of(len(delta), densities[number]))

    def combine(name: str, deltas: Tensor, shares: Tensor) -> Tensor:
        return scale * elected(deltas, shares, normalize=normalize)

    return onto_masked(base, states, weights, mask, combine)


def kept_of(count: int, density: float) -> int:
    """How many of `count` changes are kept: the share `density`, one at least unless that is 0."""
    if density <= 0:
        return 0
    return count if density >= 1 else max(1, int(density * count))
