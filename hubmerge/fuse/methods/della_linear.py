"""DELLA without the election: task vectors dropped at random, small changes first, then summed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import torch
from torch import Tensor

from hubmerge.errors import RecipeError
from hubmerge.errors.wording import option
from hubmerge.fuse._draws import uniform
from hubmerge.fuse._dropping import RESCALES, Rescale, factors
from hubmerge.fuse._task_vectors import Mask, each, onto_masked
from hubmerge.fuse.options import PerModel, Says
from hubmerge.fuse.registry import fusion
from hubmerge.symmetry.permutation import State

WINDOW = "how far the probability to be kept is below the density for the smallest change of a "
WINDOW += "row, and above it for the largest"


@fusion(source="arXiv:2406.11617, section 3", random=True, tensorwise=True)
def della_linear(
    states: Sequence[State],
    weights: Sequence[float],
    *,
    base: State,
    seed: int,
    density: Annotated[PerModel, Says("share of each task vector that is kept", 1e-3, 1)] = 0.5,
    epsilon: Annotated[PerModel, Says(WINDOW, 0, 0.5)] = 0.15,
    scale: Annotated[float, Says("what the merged task vector is multiplied by")] = 1.0,
    rescale: Annotated[Rescale, Says(RESCALES)] = "probability",
) -> dict[str, Tensor]:
    """Task arithmetic on task vectors of which a random part is kept, large changes more likely."""
    keeps = magnitude_mask(
        base, each(density, len(states)), each(epsilon, len(states)), seed, rescale
    )

    def combine(name: str, deltas: Tensor, shares: Tensor) -> Tensor:
        return scale * (shares * deltas).sum(0)

    return onto_masked(base, states, weights, keeps, combine)


def magnitude_mask(
    base: State,
    densities: Sequence[float],
    epsilons: Sequence[float],
    seed: int,
    rescale: Rescale,
) -> Mask:
    """Keeps an entry with a probability that grows with the rank of its size in its row.

    Rows run along the last axis; of n entries the smallest has rank 0. Each model's mask is its
    own, drawn from `seed` and the tensor's name.
    Raises: RecipeError, if a probability would not lie between 0 and 1.
    """
    for density, epsilon in zip(densities, epsilons, strict=True):
        if density < 1 and not 0 < density - epsilon <= density + epsilon < 1:
            raise RecipeError(
                "changes are kept with a probability between 0 and 1",
                found=f"{density - epsilon:g} to {density + epsilon:g}",
                hint=f"another {option('fuse_options.epsilon')}",
                field="fuse_options",
            )

    def draw(name: str, delta: Tensor, number: int) -> Tensor:
        if densities[number] >= 1:
            return torch.ones(len(delta), dtype=torch.bool)
        width = base[name].shape[-1] if base[name].ndim else 1
        chance = probabilities(delta, width, densities[number], epsilons[number])
        kept = sampled(chance, f"{seed}:{name}:{number}")
        return factors(delta, kept, chance, rescale)

    return draw


def probabilities(delta: Tensor, width: int, density: float, epsilon: float) -> Tensor:
    """With what probability each entry of a task vector [n] in rows of `width` is kept, [n]."""
    if width < 2:
        return torch.full(delta.shape, density, dtype=torch.float64)
    order = delta.view(-1, width).abs().argsort(dim=1, stable=True)
    ranks = torch.empty_like(order).scatter_(1, order, torch.arange(width).expand_as(order))
    return (density - epsilon + 2 * epsilon * ranks.double() / (width - 1)).flatten()


def sampled(chance: Tensor, named: str) -> Tensor:
    """Which entries are kept, bool; the same for the same name everywhere."""
    return uniform(chance, named) < chance
