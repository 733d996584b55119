"""Consensus merging: the sum of the task vectors where several tasks have a use for it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

from torch import Tensor

from hubmerge.fuse._task_vectors import onto
from hubmerge.fuse.laws import EXCHANGE, PERMUTATIONS
from hubmerge.fuse.options import Says
from hubmerge.fuse.registry import fusion
from hubmerge.symmetry.permutation import State


@fusion(
    source="arXiv:2405.07813, sections 4 and 5",
    laws=(EXCHANGE, PERMUTATIONS),
    elementwise=True,
)
def consensus(
    states: Sequence[State],
    weights: Sequence[float],
    *,
    base: State,
    scale: Annotated[
        float, Says("what the weighted mean of the task vectors is multiplied by")
    ] = 1.0,
    threshold: Annotated[
        float, Says("an entry is of use to a task if larger than this times all else in it", 0)
    ] = 0.4,
    agree: Annotated[int, Says("tasks that must have a use for an entry", 0)] = 2,
) -> dict[str, Tensor]:
    """Task arithmetic without entries that fewer than two tasks have a use for.

    The TALL mask of a task holds the entries of its task vector that are larger than `threshold`
    times the other task vectors' sum there. The paper tunes that number between .2 and .6, for each
    task, on validation rows.
    """

    def combine(name: str, deltas: Tensor, shares: Tensor) -> Tensor:
        used = deltas[shares.flatten() != 0]
        masks = used.abs() > threshold * (used.sum(0) - used).abs()
        return scale * (shares * deltas).sum(0) * (masks.sum(0) >= agree)

    return onto(base, states, weights, combine)
