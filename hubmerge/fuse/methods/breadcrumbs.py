"""Model breadcrumbs: task vectors without their smallest changes and without their outliers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

from torch import Tensor

from hubmerge.fuse._selection import largest
from hubmerge.fuse._task_vectors import each, onto_masked
from hubmerge.fuse.laws import EXCHANGE, PERMUTATIONS
from hubmerge.fuse.options import PerModel, Says
from hubmerge.fuse.registry import fusion
from hubmerge.symmetry.permutation import State


@fusion(source="arXiv:2312.06795, section 3", laws=(EXCHANGE, PERMUTATIONS), tensorwise=True)
def breadcrumbs(
    states: Sequence[State],
    weights: Sequence[float],
    *,
    base: State,
    density: Annotated[PerModel, Says("share of each task vector that is kept", 0, 1)] = 0.9,
    outliers: Annotated[
        PerModel, Says("share of the largest changes that is dropped", 0, 1)
    ] = 0.01,
    scale: Annotated[float, Says("what the merged task vector is multiplied by")] = 1.0,
) -> dict[str, Tensor]:
    """Task arithmetic on task vectors masked at both ends, tensor by tensor."""
    kept, dropped = each(density, len(states)), each(outliers, len(states))

    def mask(name: str, delta: Tensor, number: int) -> Tensor:
        return within(delta.abs_(), kept[number], dropped[number])

    def combine(name: str, deltas: Tensor, shares: Tensor) -> Tensor:
        return scale * (shares * deltas).sum(0)

    return onto_masked(base, states, weights, mask, combine)


def within(sizes: Tensor, density: float, outliers: float) -> Tensor:
    """The share `density` right below the largest `outliers`, bool [n].

    Where both do not fit, outliers stay: the density is what was asked for.
    """
    count = len(sizes)
    wanted = count if density >= 1 else int(density * count)
    dropped = min(int(outliers * count), count - wanted)
    return largest(sizes, dropped + wanted, last=True) & ~largest(sizes, dropped, last=True)
