"""SLERP: along the great circle between two models, or to the mean of several on their sphere."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from hubmerge.fuse._mean import weighted_mean
from hubmerge.fuse._running_statistics import is_statistic
from hubmerge.fuse._sphere import mean_on_sphere
from hubmerge.fuse.laws import LAWS, UNITY
from hubmerge.fuse.registry import fusion
from hubmerge.symmetry.permutation import State

PARALLEL = 0.9995
"""Cosine from which on the circle is as good as a line, and its sines are not."""
STEPS = 50
CLOSE = 1e-12


@fusion(
    source="Shoemake, SIGGRAPH 1985; arXiv:2403.13257 (mergekit), section 3; for more than two, "
    "Buss and Fillmore, ACM TOG 20 (2001), section 3",
    laws=tuple(set(LAWS) - {UNITY}),
    tensorwise=True,
)
def slerp(states: Sequence[State], weights: Sequence[float]) -> dict[str, Tensor]:
    """Spherical interpolation of each tensor: the weighted mean on the sphere of directions.

    Of two that is sin((1 - t) θ) / sin θ times the first plus sin(t θ) / sin θ times the second.
    Tensors that point the same or the opposite way, or are 0, are averaged.
    """
    fused = weighted_mean(states, weights)
    used = [n for n, weight in enumerate(weights) if weight]
    if len(used) == 1:
        return fused
    shares = torch.tensor([weights[n] for n in used], dtype=torch.float64)
    for name, mean in fused.items():
        if not mean.is_floating_point() or not mean.numel() or is_statistic(name):
            continue
        tensors = [states[n][name].double() for n in used]
        shape = torch.stack([tensor.flatten() for tensor in tensors])
        parts = coefficients(shape, shares)
        if parts is not None:
            found = sum(part * tensor for part, tensor in zip(parts, tensors, strict=True))
            fused[name] = torch.as_tensor(found).to(mean.dtype)
    return fused


def coefficients(rows: Tensor, shares: Tensor) -> list[float] | None:
    """What each row [models, entries] is multiplied by; None where the line will do.

    The mean of unit vectors on their sphere is a combination of them, so that their products with
    each other are all that is needed to find it.
    """
    norms = rows.norm(dim=1)
    if not (norms > 0).all():
        return None
    products = (rows / norms[:, None]) @ (rows / norms[:, None]).T
    off = products[~torch.eye(len(rows), dtype=torch.bool)]
    if (off.abs() > PARALLEL).any():
        return None
    return mean_on_sphere(products, shares, STEPS, CLOSE).cpu().tolist()
