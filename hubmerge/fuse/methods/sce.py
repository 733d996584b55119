"""SCE: entries selected by their variance, models weighed by their changes, minorities erased."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

from torch import Tensor

from hubmerge.fuse._selection import largest
from hubmerge.fuse._task_vectors import elected, onto
from hubmerge.fuse.laws import EXCHANGE, IDENTITY, PERMUTATIONS, UNITY
from hubmerge.fuse.options import Says
from hubmerge.fuse.registry import fusion
from hubmerge.symmetry.permutation import State

TINY = 1e-30
"""What a sum of squares is at least, where no model has changed anything."""


@fusion(
    source="arXiv:2408.07990, section 3",
    laws=(IDENTITY, EXCHANGE, UNITY, PERMUTATIONS),
    weighs=False,
    tensorwise=True,
)
def sce(
    states: Sequence[State],
    weights: Sequence[float],
    *,
    base: State,
    select_topk: Annotated[
        float, Says("share of the entries that is kept, by variance between the models", 0, 1)
    ] = 1.0,
) -> dict[str, Tensor]:
    """Task vectors weighed by their mean square, averaged where they have the majority's sign.

    The sign is that of the sum of the changes as they are.
    """

    def combine(name: str, deltas: Tensor, shares: Tensor) -> Tensor:
        if select_topk < 1:
            spread = deltas.flatten(1).var(0, unbiased=False)
            kept = largest(spread, int(select_topk * len(spread)))
            deltas = deltas * kept.view(deltas.shape[1:])
        sizes = deltas.flatten(1).square().mean(1).view_as(shares)
        return elected(deltas, sizes / sizes.sum().clamp_min(TINY), counted=True)

    return onto(base, states, [1 / len(states)] * len(states), combine)
