"""Means on the sphere, and tensors that are merged by direction and length."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from hubmerge.fuse._mean import of_each
from hubmerge.fuse._task_vectors import onto
from hubmerge.symmetry.permutation import State

SMALL = 1e-12
"""Below which an angle's sine does not divide."""

Combine = Callable[[Tensor, Tensor], Tensor]
"""Tensors [models, ...] and their weights [models], both float64 -> what is made of them, [...]."""


def by_direction(
    states: Sequence[State], weights: Sequence[float], base: State | None, combine: Combine
) -> dict[str, Tensor]:
    """What `combine` makes of the models' tensors; with a base of their task vectors, added to it.

    Raises: ValueError as `weighted_mean` does.
    """
    shares = torch.tensor(list(weights), dtype=torch.float64)

    def make(tensors: Sequence[Tensor]) -> Tensor:
        return combine(torch.stack([tensor.double() for tensor in tensors]), shares)

    if base is None:
        return of_each(states, weights, make)
    return onto(base, states, weights, lambda name, deltas, _: make([*deltas]).to(deltas.dtype))


def mean_on_sphere(products: Tensor, shares: Tensor, steps: int, close: float) -> Tensor:
    """The weighted mean of unit vectors on their sphere, as a combination of them: [vectors].

    products: of the vectors with each other, which is all that is needed to find it. shares: what
    each weighs. Ends after so many steps, or when one is shorter than `close`.
    Source: Buss and Fillmore, ACM TOG 20 (2001), section 3.
    """
    found = shares / (shares @ products @ shares).sqrt()
    for _ in range(steps):
        cosines = (products @ found).clamp(-1, 1)
        angles = cosines.acos()
        away = torch.where(angles > 0, angles / angles.sin().clamp_min(SMALL), 1.0)
        step = shares * away - found * (shares * away * cosines).sum()
        length = (step @ products @ step).clamp_min(0).sqrt()
        if length < close:
            break
        found = found * length.cos() + step / length * length.sin()
    return found
