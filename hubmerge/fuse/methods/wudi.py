"""WUDI: the merged task vector that disturbs every task least where it has changed anything."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Annotated

import torch
from torch import Tensor

from hubmerge.fuse._spectral import on_matrices, one_thread
from hubmerge.fuse._task_vectors import onto
from hubmerge.fuse.laws import EXCHANGE, PERMUTATIONS, ROTATIONS
from hubmerge.fuse.options import Says
from hubmerge.fuse.registry import fusion
from hubmerge.symmetry.permutation import State

TINY = torch.finfo(torch.float64).tiny


@fusion(
    source="arXiv:2503.08099, section 4",
    laws=(EXCHANGE, PERMUTATIONS, ROTATIONS),
    tensorwise=True,
    spectral=True,
)
def wudi(
    states: Sequence[State],
    weights: Sequence[float],
    *,
    base: State,
    scale: Annotated[float, Says("what the merged task vector is multiplied by")] = 1.0,
    ridge: Annotated[
        float, Says("pull towards the sum of the task vectors, by their mean square", 1e-9)
    ] = 1e-2,
    steps: Annotated[
        int, Says("steps of Adam from the sum, as in the paper; 0: the exact solution", 0)
    ] = 0,
    rate: Annotated[float, Says("how far a step of Adam moves a weight", 0)] = 1e-5,
) -> dict[str, Tensor]:
    """Task matrices D_i merged into the M with the least sum of |(M - D_i) D_i^T|^2 / |D_i|^2.

    The rows of a task matrix stand for the inputs of its layer, so that no data is needed. The
    paper takes 300 steps of Adam from the sum of the matrices; the exact solution, with a pull
    towards that sum, is what such steps lead to. Tensors that are no matrices are averaged.
    """
    merge = partial(_exact, ridge=ridge) if not steps else partial(_steps, steps=steps, rate=rate)
    return onto(base, states, weights, on_matrices(merge, scale))


def _products(deltas: Tensor) -> Tensor:
    """D_i^T D_i / |D_i|^2, [models, columns, columns]."""
    sizes = deltas.flatten(1).square().sum(1).clamp_min(TINY)
    return deltas.mT @ deltas / sizes.view(-1, 1, 1)


def _exact(deltas: Tensor, ridge: float) -> Tensor:
    with one_thread():
        total, products = deltas.sum(0), _products(deltas)
        missing = ((deltas - total) @ products).sum(0)
        left = products.sum(0)
        pull = ridge * left.diagonal().mean().clamp_min(TINY)
        left = left + pull * torch.eye(len(left), dtype=left.dtype)
        return total + torch.cholesky_solve(missing.T, torch.linalg.cholesky(left)).T


def _steps(deltas: Tensor, steps: int, rate: float) -> Tensor:
    with one_thread(), torch.enable_grad():
        products = _products(deltas)
        aim, left = (deltas @ products).sum(0), products.sum(0)
        merged = deltas.sum(0).clone()
        adam = torch.optim.Adam([merged], lr=rate)
        for _ in range(steps):
            merged.grad = 2 * (merged.detach() @ left - aim)
            adam.step()
        return merged.detach()
