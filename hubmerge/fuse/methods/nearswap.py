"""Nearswap: the first model, moved towards the second where the two are close."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import torch
from torch import Tensor

from hubmerge.fuse._mean import of_each
from hubmerge.fuse.laws import IDENTITY, PERMUTATIONS, UNITY
from hubmerge.fuse.options import Says
from hubmerge.fuse.registry import fusion
from hubmerge.symmetry.permutation import State


@fusion(
    source="https://huggingface.co/alchemonaut/QuartetAnemoi-70B-t0.0001",
    laws=(IDENTITY, UNITY, PERMUTATIONS),
    weighs=False,
    pair=True,
    elementwise=True,
)
def nearswap(
    states: Sequence[State],
    weights: Sequence[float],
    *,
    t: Annotated[float, Says("distance up to which A's entry becomes B's", 0)] = 1e-4,
) -> dict[str, Tensor]:
    """Each entry of A moved towards B's by t over their distance, and by all of it within t."""

    def make(tensors: Sequence[Tensor]) -> Tensor:
        first, second = (
            value.to(torch.promote_types(value.dtype, torch.float32)) for value in tensors
        )
        apart = (first - second).abs()
        share = torch.where(apart > 0, t / apart, 1.0).clamp(0, 1)
        return share * second + (1 - share) * first

    return of_each(states, [0.5, 0.5], make)
