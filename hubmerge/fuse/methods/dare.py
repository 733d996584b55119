"""DARE: task vectors dropped at random and rescaled, then summed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import torch
from torch import Tensor

from hubmerge.fuse._draws import drawing
from hubmerge.fuse._task_vectors import Mask, onto_masked
from hubmerge.fuse.options import Says
from hubmerge.fuse.registry import fusion
from hubmerge.symmetry.permutation import State


@fusion(source="arXiv:2311.03099, section 3", random=True, tensorwise=True)
def dare(
    states: Sequence[State],
    weights: Sequence[float],
    *,
    base: State,
    seed: int,
    density: Annotated[float, Says("share of each task vector that is kept", 1e-3, 1)] = 0.5,
    scale: Annotated[float, Says("what the merged task vector is multiplied by")] = 1.0,
) -> dict[str, Tensor]:
    """Task arithmetic on task vectors of which a random share is kept, divided by that share."""

    def combine(name: str, deltas: Tensor, shares: Tensor) -> Tensor:
        return scale * (shares * (deltas / density)).sum(0)

    return onto_masked(base, states, weights, random_mask(density, seed), combine)


def random_mask(density: float, seed: int) -> Mask:
    """Keeps each entry with probability `density`.

    What is kept is to be divided by it, so that the expected vector stays the same. Each model's
    mask is its own, drawn from `seed` and the tensor's name.
    """

    def draw(name: str, delta: Tensor, number: int) -> Tensor:
        if density >= 1:
            return torch.ones(len(delta), dtype=torch.bool)
        return mask(delta, density, f"{seed}:{name}:{number}")

    return draw


def mask(delta: Tensor, density: float, named: str) -> Tensor:
    """Which entries of a tensor are kept, bool; the same for the same name everywhere."""
    return torch.rand(delta.shape, generator=drawing(named), dtype=torch.float64) < density
