"""RAM: each entry's changes averaged over those models alone that have changed it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

from torch import Tensor

from hubmerge.fuse._overlap import joined
from hubmerge.fuse._task_vectors import onto
from hubmerge.fuse.laws import EXCHANGE, PERMUTATIONS
from hubmerge.fuse.options import Says
from hubmerge.fuse.registry import fusion
from hubmerge.symmetry.permutation import State


@fusion(
    source="arXiv:2601.13572 (RAM)",
    laws=(EXCHANGE, PERMUTATIONS),
    weighs=False,
    elementwise=True,
)
def ram(
    states: Sequence[State],
    weights: Sequence[float],
    *,
    base: State,
    epsilon: Annotated[float, Says("size up to which a difference is no change", 0)] = 1e-5,
) -> dict[str, Tensor]:
    """Reinforced agent merging: shared changes are averaged, a single model's are kept whole."""
    even = [1 / len(states)] * len(states)
    return onto(base, states, even, lambda name, deltas, shares: joined(deltas, epsilon))
