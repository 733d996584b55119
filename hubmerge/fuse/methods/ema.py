"""Exponential moving average over a run's checkpoints."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

from hubmerge.fuse._training_run import weighed
from hubmerge.fuse.laws import IDENTITY, PERMUTATIONS, ROTATIONS, UNITY
from hubmerge.fuse.options import Says
from hubmerge.fuse.registry import fusion
from hubmerge.fuse.result import Fused
from hubmerge.symmetry.permutation import State


@fusion(
    source="Polyak and Juditsky, SIAM J. Control Optim. 30 (1992); arXiv:1703.01780, section 3",
    laws=(IDENTITY, UNITY, PERMUTATIONS, ROTATIONS),
    weighs=False,
    of_a_run=True,
    elementwise=True,
)
def ema(
    states: Sequence[State],
    weights: Sequence[float],
    *,
    decay: Annotated[float, Says("weight of the mean so far at each checkpoint", 0, 1)] = 0.5,
) -> Fused:
    """The exponential moving average of a run's checkpoints, given in order.

    The decay is per checkpoint, not per step of training.
    """
    last = len(states) - 1
    own = [(1 - decay if n else 1.0) * decay ** (last - n) for n in range(len(states))]
    return weighed(states, own)
