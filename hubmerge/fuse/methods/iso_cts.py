"""Iso-CTS: Iso-C, with the last directions left to what is each task's own."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Annotated

import torch
from torch import Tensor

from hubmerge.fuse._spectral import on_matrices, orthonormal, product, spectrum
from hubmerge.fuse._task_vectors import onto
from hubmerge.fuse.laws import EXCHANGE, PERMUTATIONS, ROTATIONS
from hubmerge.fuse.options import Says
from hubmerge.fuse.registry import fusion
from hubmerge.symmetry.permutation import State


@fusion(
    source="arXiv:2502.04959, section 4.2",
    laws=(EXCHANGE, PERMUTATIONS, ROTATIONS),
    tensorwise=True,
    spectral=True,
)
def iso_cts(
    states: Sequence[State],
    weights: Sequence[float],
    *,
    base: State,
    scale: Annotated[float, Says("what the merged task vector is multiplied by")] = 1.0,
    common: Annotated[
        float, Says("share of the directions that is common to all tasks, the rest their own", 0, 1)
    ] = 0.8,
) -> dict[str, Tensor]:
    """Common directions of the summed task matrices and directions of each task, equally strong.

    Each task gives the leading singular directions of what its matrix has outside the common
    subspace, equally many; all are made orthonormal, and every singular value is their mean.
    Tensors that are no matrices are averaged.
    """
    return onto(base, states, weights, on_matrices(partial(_merged, common=common), scale))


def _merged(deltas: Tensor, common: float) -> Tensor:
    count, least = len(deltas), min(deltas.shape[1:])
    own = round((least - int(least * common)) / count)
    shared = spectrum(deltas.sum(0)).top(least - own * count)
    parts = [shared]
    for delta in deltas:
        rest = delta - product(shared.left, product(shared.left.T, delta))
        parts.append(spectrum(rest).top(own))
    left = orthonormal(torch.cat([part.left for part in parts], 1))
    right = orthonormal(torch.cat([part.right for part in parts], 0))
    strength = torch.cat([part.values for part in parts]).mean()
    return strength * product(left, right)
