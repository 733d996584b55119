"""DELLA: task vectors dropped at random, small changes first, then the election of signs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

from torch import Tensor

from hubmerge.fuse._dropping import RESCALES, Rescale
from hubmerge.fuse._task_vectors import AGREEING, each, elected, onto_masked
from hubmerge.fuse.methods.della_linear import WINDOW, magnitude_mask
from hubmerge.fuse.options import PerModel, Says
from hubmerge.fuse.registry import fusion
from hubmerge.symmetry.permutation import State


@fusion(source="arXiv:2406.11617, section 3", random=True, tensorwise=True)
def della(
    states: Sequence[State],
    weights: Sequence[float],
    *,
    base: State,
    seed: int,
    density: Annotated[PerModel, Says("share of each task vector that is kept", 1e-3, 1)] = 0.5,
    epsilon: Annotated[PerModel, Says(WINDOW, 0, 0.5)] = 0.15,
    scale: Annotated[float, Says("what the merged task vector is multiplied by")] = 1.0,
    normalize: Annotated[bool, Says(AGREEING)] = True,
    rescale: Annotated[Rescale, Says(RESCALES)] = "probability",
) -> dict[str, Tensor]:
    """A random part of each task vector, large changes more likely; the mean where signs agree."""
    keeps = magnitude_mask(
        base, each(density, len(states)), each(epsilon, len(states)), seed, rescale
    )

    def combine(name: str, deltas: Tensor, shares: Tensor) -> Tensor:
        return scale * elected(deltas, shares, normalize=normalize)

    return onto_masked(base, states, weights, keeps, combine)
