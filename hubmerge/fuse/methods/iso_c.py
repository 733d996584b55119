"""Iso-C: the sum of the task matrices, all of its singular values made equal."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

from torch import Tensor

from hubmerge.fuse._spectral import flattened, on_matrices
from hubmerge.fuse._task_vectors import onto
from hubmerge.fuse.laws import EXCHANGE, PERMUTATIONS, ROTATIONS
from hubmerge.fuse.options import Says
from hubmerge.fuse.registry import fusion
from hubmerge.symmetry.permutation import State


@fusion(
    source="arXiv:2502.04959, section 4.1",
    laws=(EXCHANGE, PERMUTATIONS, ROTATIONS),
    tensorwise=True,
    spectral=True,
)
def iso_c(
    states: Sequence[State],
    weights: Sequence[float],
    *,
    base: State,
    scale: Annotated[float, Says("what the merged task vector is multiplied by")] = 1.0,
) -> dict[str, Tensor]:
    """The sum of the task matrices with every singular value replaced by their mean.

    Directions that no task has changed stay unchanged. Tensors that are no matrices are averaged.
    """
    return onto(base, states, weights, on_matrices(lambda deltas: flattened(deltas.sum(0)), scale))
