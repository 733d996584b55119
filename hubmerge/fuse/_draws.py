"""Random draws that are the same for the same name, on every machine."""

from __future__ import annotations

import hashlib

import torch
from torch import Tensor


def drawing(named: str) -> torch.Generator:
    """A generator that knows nothing but `named`."""
    number = int.from_bytes(hashlib.blake2b(named.encode(), digest_size=7).digest())
    return torch.Generator().manual_seed(number)


def uniform(like: Tensor, named: str) -> Tensor:
    """Numbers between 0 and 1, float64 in the shape and on the device of `like`.

    They are drawn on the CPU: every device has draws of its own.
    """
    drawn = torch.rand(like.shape, generator=drawing(named), dtype=torch.float64, device="cpu")
    return drawn.to(like.device)
