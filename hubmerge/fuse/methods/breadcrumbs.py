"""Model breadcrumbs: task vectors without their smallest changes and without their outliers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import torch
from torch import Tensor

from hubmerge.fuse._selection import largest
from hubmerge.fuse._task_vectors import onto
from hubmerge.fuse.laws import EXCHANGE, PERMUTATIONS
from hubmerge.fuse.options import Says
from hubmerge.fuse.registry import fusion
from hubmerge.symmetry.permutation import State


@fusion(source="arXiv:2312.06795, section 3", laws=(EXCHANGE, PERMUTATIONS), tensorwise=True)
def breadcrumbs(
    states: Sequence[State],
    weights: Sequence[float],
    *,
    base: State,
    density: Annotated[float, Says("share of each task vector that is kept", 0, 1)] = 0.9,
    outliers: Annotated[float, Says("share of the largest changes that is dropped", 0, 1)] = 0.01,
    scale: Annotated[float, Says("what the merged task vector is multiplied by")] = 1.0,
) -> dict[str, Tensor]:
    """Task arithmetic on task vectors masked at both ends, tensor by tensor."""

    def combine(name: str, deltas: Tensor, shares: Tensor) -> Tensor:
        return scale * (shares * torch.stack([_masked(d, density, outliers) for d in deltas])).sum(
            0
        )

    return onto(base, states, weights, combine)


def _masked(delta: Tensor, density: float, outliers: float) -> Tensor:
    """The share `density` right below the largest `outliers`; all else is 0.

    Where both do not fit, outliers stay: the density is what was asked for.
    """
    if density >= 1:
        return delta
    count = delta.numel()
    wanted = int(density * count)
    dropped = min(int(outliers * count), count - wanted)
    sizes = delta.abs().flatten()
    kept = largest(sizes, dropped + wanted, last=True) & ~largest(sizes, dropped, last=True)
    return delta * kept.view_as(delta)
