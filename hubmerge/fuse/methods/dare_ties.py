"""DARE with TIES: random dropping instead of trimming, then the election of signs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

from torch import Tensor

from hubmerge.fuse._task_vectors import elected, onto_masked
from hubmerge.fuse.methods.dare import random_mask
from hubmerge.fuse.options import Says
from hubmerge.fuse.registry import fusion
from hubmerge.symmetry.permutation import State


@fusion(
    source="arXiv:2311.03099, section 3; arXiv:2306.01708, section 3", random=True, tensorwise=True
)
def dare_ties(
    states: Sequence[State],
    weights: Sequence[float],
    *,
    base: State,
    seed: int,
    density: Annotated[float, Says("share of each task vector that is kept", 1e-3, 1)] = 0.5,
    scale: Annotated[float, Says("what the merged task vector is multiplied by")] = 1.0,
) -> dict[str, Tensor]:
    """A random share of each task vector, rescaled; then the mean where signs agree."""

    def combine(name: str, deltas: Tensor, shares: Tensor) -> Tensor:
        return scale * elected(deltas / density, shares)

    return onto_masked(base, states, weights, random_mask(density, seed), combine)
