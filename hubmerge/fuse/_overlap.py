"""Task vectors that overlap: which entries one model alone has changed, and which several have."""

from __future__ import annotations

import torch
from torch import Tensor


def joined(deltas: Tensor, epsilon: float, lifted: tuple[float, float] | None = None) -> Tensor:
    """The mean of each entry's changes over the models that have changed it, [...].

    deltas: [models, ...]. epsilon: up to which size a difference is no change. lifted: r and alpha:
    what one model alone has changed is multiplied by 1 + r min(rho, alpha), rho being how many of
    its changes are shared for each that is not.
    """
    changed = deltas.abs() > epsilon
    count = changed.sum(0)
    kept = deltas * changed
    if lifted is not None:
        strength, most = lifted
        alone = changed & (count == 1)
        own = alone.flatten(1).sum(1)
        shared = changed.flatten(1).sum(1) - own
        overlap = torch.where(own > 0, shared / own.clamp_min(1), 0.0).clamp(max=most)
        factors = (1 + strength * overlap).to(deltas.dtype).view(-1, *[1] * (deltas.ndim - 1))
        kept = torch.where(alone, kept * factors, kept)
    return kept.sum(0) / count.clamp_min(1)
