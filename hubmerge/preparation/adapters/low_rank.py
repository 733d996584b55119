"""The best matrices of a low rank for a difference of weights."""

from __future__ import annotations

import torch
from torch import Tensor

EXACT = 1024
"""Rows or columns up to which all singular values are computed."""
MORE = 16
"""Dimensions beyond the rank in which larger matrices are looked at, and rounds of it."""
ROUNDS = 4


def low_rank(delta: Tensor, rank: int) -> tuple[Tensor, Tensor]:
    """Two matrices, [rows, rank] and [rank, columns], whose product is nearest to `delta`.

    Exact up to rounding where a side has at most `EXACT` entries; of larger ones by random
    subspaces from a fixed seed. Both get the roots of the singular values.
    Sources: Eckart and Young, Psychometrika 1 (1936); arXiv:0909.4061, algorithm 4.4.
    """
    delta, rank = delta.float(), min(rank, *delta.shape)
    if min(delta.shape) <= max(EXACT, 2 * (rank + MORE)):
        left, values, right = torch.linalg.svd(delta, full_matrices=False)
    else:
        drawn = torch.Generator().manual_seed(0)
        seen = torch.randn(delta.shape[1], rank + MORE, generator=drawn)
        basis = torch.linalg.qr(delta @ seen).Q
        for _ in range(ROUNDS):
            basis = torch.linalg.qr(delta @ torch.linalg.qr(delta.T @ basis).Q).Q
        inner, values, right = torch.linalg.svd(basis.T @ delta, full_matrices=False)
        left = basis @ inner
    roots = values[:rank].sqrt()
    return left[:, :rank] * roots, roots.unsqueeze(1) * right[:rank]
