"""The Karcher mean: the point of the sphere that is nearest to all models' directions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import torch
from torch import Tensor

from hubmerge.fuse._sphere import by_direction, mean_on_sphere
from hubmerge.fuse.laws import LAWS, UNITY
from hubmerge.fuse.options import Says
from hubmerge.fuse.registry import fusion
from hubmerge.symmetry.permutation import State

OPPOSED = 1e-9
"""Length of a mean of unit vectors from which on it has a direction."""


@fusion(
    source="arXiv:2603.04972; Buss and Fillmore, ACM TOG 20 (2001), section 3",
    laws=tuple(set(LAWS) - {UNITY}),
    tensorwise=True,
)
def karcher(
    states: Sequence[State],
    weights: Sequence[float],
    *,
    max_iter: Annotated[int, Says("steps towards the mean at most", 1)] = 10,
    tol: Annotated[float, Says("length of a step, in radians, that is the last", 0)] = 1e-5,
) -> dict[str, Tensor]:
    """The mean direction of each tensor on the sphere, times the mean of their lengths.

    Directions that cancel each other out have no mean, and the first is taken.
    """

    def combine(rows: Tensor, shares: Tensor) -> Tensor:
        flat = rows.flatten(1)
        norms = flat.norm(dim=1)
        used = (norms > 0) & (shares != 0)
        if not used.any():
            return torch.zeros_like(rows[0])
        units, parts = flat[used] / norms[used, None], shares[used] / shares[used].sum()
        products = units @ units.T
        if parts @ products @ parts < OPPOSED**2:
            direction = units[0]
        else:
            direction = mean_on_sphere(products, parts, max_iter, tol) @ units
        return (direction * (shares @ norms)).view(rows.shape[1:])

    return by_direction(states, weights, None, combine)
