"""Weighted average: a point of the linear path (two models) or of the simplex (more)."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from hubmerge.fuse._mean import weighted_mean
from hubmerge.fuse.laws import LAWS
from hubmerge.fuse.registry import fusion
from hubmerge.symmetry.permutation import State


@fusion(
    source="arXiv:2209.04836, section 2; arXiv:2203.05482, section 2",
    laws=tuple(LAWS),
    linear=True,
    elementwise=True,
)
def average(states: Sequence[State], weights: Sequence[float]) -> dict[str, Tensor]:
    """The weighted mean of every tensor.

    weights: one per state, summing to 1. Counters and other integers come from the first state.
    Raises: ValueError if the weights do not sum to 1 or their number is wrong.
    """
    return weighted_mean(states, weights)
