"""TSV-M: the leading singular directions of each task, made orthogonal to those of the others."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

from torch import Tensor

from hubmerge.fuse._spectral import decorrelated, on_matrices
from hubmerge.fuse._task_vectors import onto
from hubmerge.fuse.laws import EXCHANGE, PERMUTATIONS, ROTATIONS
from hubmerge.fuse.options import Says
from hubmerge.fuse.registry import fusion
from hubmerge.symmetry.permutation import State


@fusion(
    source="arXiv:2412.00081, section 4.2",
    laws=(EXCHANGE, PERMUTATIONS, ROTATIONS),
    tensorwise=True,
    spectral=True,
)
def tsv_m(
    states: Sequence[State],
    weights: Sequence[float],
    *,
    base: State,
    scale: Annotated[float, Says("what the merged task vector is multiplied by")] = 1.0,
) -> dict[str, Tensor]:
    """Of n task matrices the top 1/n of the singular directions each, decorrelated and summed.

    The directions of all tasks, side by side, are replaced by the nearest orthonormal ones, on both
    sides. A task keeps one direction at least. Tensors that are no matrices are averaged.
    """
    return onto(base, states, weights, on_matrices(decorrelated, scale))
