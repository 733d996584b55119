"""Core Space: task matrices of low rank merged in the small space that holds all of them."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Annotated

import torch
from torch import Tensor

from hubmerge.fuse._spectral import decorrelated, flattened, on_matrices, product, spectrum
from hubmerge.fuse._task_vectors import onto
from hubmerge.fuse.laws import EXCHANGE, PERMUTATIONS, ROTATIONS
from hubmerge.fuse.options import Says
from hubmerge.fuse.registry import fusion
from hubmerge.symmetry.permutation import State


@fusion(
    source="arXiv:2509.17786, section 3",
    laws=(EXCHANGE, PERMUTATIONS, ROTATIONS),
    tensorwise=True,
    spectral=True,
)
def core_space(
    states: Sequence[State],
    weights: Sequence[float],
    *,
    base: State,
    scale: Annotated[float, Says("what the merged task vector is multiplied by")] = 1.0,
    rank: Annotated[int, Says("of the task matrices; 0: as it is, up to rounding", 0)] = 0,
    isotropic: Annotated[bool, Says("whether all singular values are then made equal")] = True,
) -> dict[str, Tensor]:
    """For LoRAs merged into their base: TSV-M, then Iso-C, in a space that holds all task matrices.

    A task matrix is U_i S_i V_i^T. The left vectors of all tasks span the core space on one side,
    the right ones on the other; in it a matrix has as many rows as the ranks add up to, and loses
    nothing. TSV-M there keeps 1/n of the ranks' sum of every task instead of 1/n of the layer's
    width, which is all a LoRA has. Tensors that are no matrices are averaged.
    """
    merge = partial(_merged, rank=rank, isotropic=isotropic)
    return onto(base, states, weights, on_matrices(merge, scale))


def _merged(deltas: Tensor, rank: int, isotropic: bool) -> Tensor:
    if not deltas.any():
        return torch.zeros_like(deltas[0])
    parts = [spectrum(delta) for delta in deltas]
    parts = [part.top(min(rank, part.rank) if rank else part.rank) for part in parts]
    left = spectrum(torch.cat([part.left for part in parts], 1))
    right = spectrum(torch.cat([part.right for part in parts], 0))
    rows, columns = left.left[:, : left.rank], right.right[: right.rank]
    cores = [
        product(product(rows.T, part.left * part.values), product(part.right, columns.T))
        for part in parts
    ]
    merged = decorrelated(torch.stack(cores))
    if isotropic:
        merged = flattened(merged)
    return product(product(rows, merged), columns)
