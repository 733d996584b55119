"""DARE: task vectors dropped at random and rescaled, then summed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import torch
from torch import Tensor

from hubmerge.fuse._draws import uniform
from hubmerge.fuse._dropping import RESCALES, Rescale, factors
from hubmerge.fuse._task_vectors import Mask, each, onto_masked
from hubmerge.fuse.options import PerModel, Says
from hubmerge.fuse.registry import fusion
from hubmerge.symmetry.permutation import State


@fusion(source="arXiv:2311.03099, section 3", random=True, tensorwise=True)
def dare(
    states: Sequence[State],
    weights: Sequence[float],
    *,
    base: State,
    seed: int,
    density: Annotated[PerModel, Says("share of each task vector that is kept", 1e-3, 1)] = 0.5,
    scale: Annotated[float, Says("what the merged task vector is multiplied by")] = 1.0,
    rescale: Annotated[Rescale, Says(RESCALES)] = "probability",
) -> dict[str, Tensor]:
    """Task arithmetic on task vectors of which a random share is kept, divided by that share."""
    densities = each(density, len(states))
    divided = rescale == "probability"

    def combine(name: str, deltas: Tensor, shares: Tensor) -> Tensor:
        kept = by_density(deltas, densities) if divided else deltas
        return scale * (shares * kept).sum(0)

    return onto_masked(base, states, weights, random_mask(densities, seed, rescale), combine)


def by_density(deltas: Tensor, densities: Sequence[float]) -> Tensor:
    """Task vectors [models, ...], each divided by its density."""
    if len({*densities}) == 1:
        return deltas / densities[0]
    shape = [len(densities), *[1] * (deltas.ndim - 1)]
    return deltas / torch.tensor(list(densities), dtype=deltas.dtype).view(shape)


def random_mask(densities: Sequence[float], seed: int, rescale: Rescale = "probability") -> Mask:
    """Keeps each entry of a model with the probability of its number.

    With "probability", what is kept is yet to be divided by it, so that the expected vector stays
    the same. Each model's mask is its own, drawn from `seed` and the tensor's name.
    """

    def draw(name: str, delta: Tensor, number: int) -> Tensor:
        density = densities[number]
        if density >= 1:
            return torch.ones(len(delta), dtype=torch.bool)
        kept = mask(delta, density, f"{seed}:{name}:{number}")
        return kept if rescale == "probability" else factors(delta, kept, density, rescale)

    return draw


def mask(delta: Tensor, density: float, named: str) -> Tensor:
    """Which entries of a tensor are kept, bool; the same for the same name everywhere."""
    return uniform(delta, named) < density
