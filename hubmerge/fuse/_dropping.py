"""Entries of task vectors dropped at random, and what makes up for them."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor

Rescale = Literal["probability", "norm", "none"]
"""What is kept is divided by its probability to be kept, so that the expected vector stays the
same; or multiplied so that the sum of sizes stays; or left."""

RESCALES = "what makes up for dropped entries: each kept one divided by its probability, all of "
RESCALES += "them multiplied so that the sum of their sizes stays, or nothing"


def factors(delta: Tensor, kept: Tensor, probability: float | Tensor, rescale: Rescale) -> Tensor:
    """What every entry of a task vector [n] is multiplied by, 0 where it is not `kept` [n]."""
    if rescale == "none":
        return kept
    if rescale == "probability":
        return (kept / probability).to(delta.dtype)
    sizes = delta.abs()
    left = (sizes * kept).sum()
    return kept * torch.where(left > 0, sizes.sum() / left, 1.0)
