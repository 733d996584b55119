"""Hierarchical averaging: within each run over its last checkpoints, then over the runs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

from hubmerge.errors import RecipeError
from hubmerge.errors.wording import option
from hubmerge.fuse._training_run import weighed
from hubmerge.fuse.laws import IDENTITY, PERMUTATIONS, ROTATIONS, UNITY
from hubmerge.fuse.options import Says
from hubmerge.fuse.registry import fusion
from hubmerge.fuse.result import Fused
from hubmerge.symmetry.permutation import State


@fusion(
    source="arXiv:2204.11776, section 3",
    laws=(IDENTITY, UNITY, PERMUTATIONS, ROTATIONS),
    weighs=False,
    of_a_run=True,
    elementwise=True,
)
def hierarchical(
    states: Sequence[State],
    weights: Sequence[float],
    *,
    runs: Annotated[
        str, Says("checkpoints of each run, in order, such as 3+2; empty: one run")
    ] = "",
    last: Annotated[int, Says("how many of each run's latest checkpoints are averaged", 1)] = 26,
) -> Fused:
    """The mean over runs of the mean of each run's latest checkpoints, given run by run.

    Every run has equal weight, however many checkpoints it has. Runs must lie in one basin.
    """
    own: list[float] = []
    sizes = _sizes(runs, len(states))
    for size in sizes:
        taken = min(last, size)
        own += [0.0] * (size - taken) + [1 / len(sizes) / taken] * taken
    return weighed(states, own)


def _sizes(runs: str, count: int) -> list[int]:
    """Checkpoints of each run. Raises: RecipeError, unless they are `count` together."""
    parts = runs.split("+") if runs else [str(count)]
    sizes = [int(part) for part in parts if part.strip().isdigit()]
    if len(sizes) != len(parts) or 0 in sizes or sum(sizes) != count:
        raise RecipeError(
            option("fuse_options.runs", runs),
            found=f"{count} checkpoints",
            hint="how many each run has, such as 3+2",
            field="fuse_options",
        )
    return sizes
