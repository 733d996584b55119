"""Stochastic weight averaging: the mean of a run's checkpoints at the ends of its cycles."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

from hubmerge.fuse._training_run import mean_of, refuse_none
from hubmerge.fuse.laws import IDENTITY, PERMUTATIONS, ROTATIONS, UNITY
from hubmerge.fuse.options import Says
from hubmerge.fuse.registry import fusion
from hubmerge.fuse.result import Fused
from hubmerge.symmetry.permutation import State


@fusion(
    source="arXiv:1803.05407, section 3.2, Algorithm 1",
    laws=(IDENTITY, UNITY, PERMUTATIONS, ROTATIONS),
    weighs=False,
    of_a_run=True,
    elementwise=True,
)
def swa(
    states: Sequence[State],
    weights: Sequence[float],
    *,
    start: Annotated[int, Says("checkpoints left out at the beginning", 0)] = 0,
    every: Annotated[int, Says("length of a cycle, in checkpoints", 1)] = 1,
) -> Fused:
    """The mean of a run's checkpoints at the ends of its cycles, given in order."""
    chosen = range(start + every - 1, len(states), every)
    refuse_none(chosen, f"start {start}, every {every}", len(states))
    return mean_of(states, chosen)
