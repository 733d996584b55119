"""Latest weight averaging: the mean of a run's last checkpoints."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

from hubmerge.fuse._training_run import mean_of
from hubmerge.fuse.laws import IDENTITY, PERMUTATIONS, ROTATIONS, UNITY
from hubmerge.fuse.options import Says
from hubmerge.fuse.registry import fusion
from hubmerge.fuse.result import Fused
from hubmerge.symmetry.permutation import State


@fusion(
    source="arXiv:2209.14981, section 2",
    laws=(IDENTITY, UNITY, PERMUTATIONS, ROTATIONS),
    weighs=False,
    of_a_run=True,
    elementwise=True,
)
def lawa(
    states: Sequence[State],
    weights: Sequence[float],
    *,
    last: Annotated[int, Says("how many of the latest checkpoints are averaged", 1)] = 6,
) -> Fused:
    """The mean of the latest checkpoints of a run, given in order."""
    return mean_of(states, range(max(0, len(states) - last), len(states)))
