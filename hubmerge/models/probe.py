"""Weights that hide nothing: what a law about a model is checked on.

A fresh model has biases of 0, norm gains of 1 and running means of 0, which every permutation
leaves alone: on it a wrong spec would pass. `shaken` makes such tensors generic.
"""

from __future__ import annotations

import copy
from typing import TypeVar

import torch
from torch import Tensor, nn

Module = TypeVar("Module", bound=nn.Module)

AMPLITUDE = 0.1
"""Noise added to a tensor whose values are all equal; other tensors get this share of their
standard deviation."""


def shaken(model: Module, seed: int = 0) -> Module:
    """A copy of `model` in which no float tensor of the state is constant any more.

    Gains stay around 1, variances positive, integer counters as they are; tied tensors stay tied.
    The same seed gives the same weights.
    """
    model = copy.deepcopy(model)
    generator = torch.Generator().manual_seed(seed)
    seen: set[int] = set()
    with torch.no_grad():
        for name, value in model.state_dict().items():
            if not value.is_floating_point() or value.data_ptr() in seen:
                continue
            seen.add(value.data_ptr())
            noise = torch.randn(value.shape, generator=generator, dtype=torch.float64)
            value.copy_(_shake(value.double(), noise, is_variance=name.endswith("running_var")))
    return model


def _shake(value: Tensor, noise: Tensor, is_variance: bool) -> Tensor:
    """`value` with `noise` (standard normal, same shape, float64) worked in."""
    if is_variance:
        return (value + AMPLITUDE) * torch.exp(AMPLITUDE * noise)
    spread = value.std().item() if value.numel() > 1 else 0.0
    return value + AMPLITUDE * (spread or 1.0) * noise.to(value.device)
