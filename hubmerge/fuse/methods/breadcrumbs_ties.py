"""Model breadcrumbs with TIES: changes of middling size, then the election of signs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

from torch import Tensor

from hubmerge.fuse._task_vectors import AGREEING, each, elected, onto_masked
from hubmerge.fuse.laws import EXCHANGE, PERMUTATIONS
from hubmerge.fuse.methods.breadcrumbs import within
from hubmerge.fuse.options import PerModel, Says
from hubmerge.fuse.registry import fusion
from hubmerge.symmetry.permutation import State


@fusion(
    source="arXiv:2312.06795, section 3; arXiv:2306.01708, section 3",
    laws=(EXCHANGE, PERMUTATIONS),
    tensorwise=True,
)
def breadcrumbs_ties(
    states: Sequence[State],
    weights: Sequence[float],
    *,
    base: State,
    density: Annotated[PerModel, Says("share of each task vector that is kept", 0, 1)] = 0.9,
    outliers: Annotated[
        PerModel, Says("share of the largest changes that is dropped", 0, 1)
    ] = 0.01,
    scale: Annotated[float, Says("what the merged task vector is multiplied by")] = 1.0,
    normalize: Annotated[bool, Says(AGREEING)] = True,
) -> dict[str, Tensor]:
    """Task vectors masked at both ends, averaged where the majority sign agrees."""
    kept, dropped = each(density, len(states)), each(outliers, len(states))

    def mask(name: str, delta: Tensor, number: int) -> Tensor:
        return within(delta.abs_(), kept[number], dropped[number])

    def combine(name: str, deltas: Tensor, shares: Tensor) -> Tensor:
        return scale * elected(deltas, shares, normalize=normalize)

    return onto_masked(base, states, weights, mask, combine)
