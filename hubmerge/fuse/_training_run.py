"""Means over the checkpoints of one training run: what each weighs, by its place in the order."""

from __future__ import annotations

from collections.abc import Sequence

from hubmerge.errors import RecipeError
from hubmerge.fuse._mean import weighted_mean
from hubmerge.fuse.result import Fused
from hubmerge.symmetry.permutation import State


def mean_of(states: Sequence[State], chosen: Sequence[int]) -> Fused:
    """The plain mean of the checkpoints of these numbers."""
    share = 1 / len(chosen)
    return weighed(states, [share if n in set(chosen) else 0.0 for n in range(len(states))])


def weighed(states: Sequence[State], weights: Sequence[float]) -> Fused:
    """The weighted mean, by weights the fusion found itself."""
    return Fused(weighted_mean(states, weights), tuple(weights))


def refuse_none(chosen: Sequence[int], what: str, count: int) -> None:
    """Raises: RecipeError, if none of `count` checkpoints was chosen."""
    if not chosen:
        raise RecipeError(f"{what} leaves none of {count} checkpoints")
