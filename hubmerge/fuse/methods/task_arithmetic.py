"""Task arithmetic: the base, plus what each model added to it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

from torch import Tensor

from hubmerge.fuse._task_vectors import onto
from hubmerge.fuse.laws import LAWS
from hubmerge.fuse.options import Says
from hubmerge.fuse.registry import fusion
from hubmerge.symmetry.permutation import State


@fusion(
    source="arXiv:2212.04089, section 2",
    laws=tuple(LAWS),
    elementwise=True,
)
def task_arithmetic(
    states: Sequence[State],
    weights: Sequence[float],
    *,
    base: State,
    scale: Annotated[
        float, Says("what the weighted mean of the task vectors is multiplied by")
    ] = 1.0,
) -> dict[str, Tensor]:
    """The base plus the weighted sum of the task vectors, scaled.

    With scale 1 that is the average; the paper's coefficient on n task vectors is scale / n.
    """

    def combine(name: str, deltas: Tensor, shares: Tensor) -> Tensor:
        return scale * (shares * deltas).sum(0)

    return onto(base, states, weights, combine)
