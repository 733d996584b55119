"""DARE: task vectors dropped at random and rescaled, then summed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import torch
from torch import Tensor

from hubmerge.fuse._draws import drawing
from hubmerge.fuse._task_vectors import onto
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
        return scale * (shares * dropped(deltas, density, name, seed)).sum(0)

    return onto(base, states, weights, combine)


def dropped(deltas: Tensor, density: float, name: str, seed: int) -> Tensor:
    """Task vectors [models, ...] of which each entry is kept with probability `density`.

    What is kept is divided by it, so that the expected vector stays the same. Each model's mask is
    its own, drawn from `seed` and the tensor's name.
    """
    if density >= 1:
        return deltas
    masks = torch.stack(
        [mask(delta, density, f"{seed}:{name}:{n}") for n, delta in enumerate(deltas)]
    )
    return deltas * masks / density


def mask(delta: Tensor, density: float, named: str) -> Tensor:
    """Which entries of a tensor are kept, bool; the same for the same name everywhere."""
    return torch.rand(delta.shape, generator=drawing(named), dtype=torch.float64) < density
