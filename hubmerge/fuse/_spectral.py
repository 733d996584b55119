"""Singular values of task matrices: how a tensor of two axes was changed, as a matrix.

Everything is float64 on one thread, so that bits do not depend on how many there are, and signs are
fixed. What looks at a matrix gets one per model, each multiplied by its weight over the mean
weight: with equal weights they are the task matrices, and their sum is that of task arithmetic.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor

from hubmerge.fuse._task_vectors import Combine

NOISE = torch.finfo(torch.float32).eps
"""Rounding of the checkpoints. A singular value below the largest one by this times the longer side
of the matrix is rounding (the rule of numpy's matrix_rank)."""

MergeMatrices = Callable[[Tensor], Tensor]
"""Weighted task matrices, float64 [models, rows, columns] -> the merged one [rows, columns]."""


@dataclass(frozen=True)
class Spectrum:
    """left [rows, k] and right [k, columns] singular vectors, values [k] from the largest on."""

    left: Tensor
    values: Tensor
    right: Tensor

    @property
    def rank(self) -> int:
        """How many values are more than rounding."""
        longer = max(len(self.left), self.right.shape[1])
        return int((self.values > self.values[:1] * NOISE * longer).sum())

    def top(self, count: int) -> Spectrum:
        """The `count` largest."""
        return Spectrum(self.left[:, :count], self.values[:count], self.right[:count])


def spectrum(matrix: Tensor) -> Spectrum:
    """Of a matrix, in float64; the largest entry of every left vector is positive."""
    with one_thread():
        left, values, right = torch.linalg.svd(matrix.double(), full_matrices=False)
    largest = left.gather(0, left.abs().argmax(0, keepdim=True)).sign()
    return Spectrum(left * largest, values, right * largest.T)


def orthonormal(matrix: Tensor) -> Tensor:
    """The nearest matrix whose singular values are 1, or 0 where they were rounding."""
    found = spectrum(matrix)
    found = found.top(found.rank)
    return product(found.left, found.right)


def product(left: Tensor, right: Tensor) -> Tensor:
    """`left` @ `right`, on one thread."""
    with one_thread():
        return left @ right


def decorrelated(deltas: Tensor) -> Tensor:
    """TSV-M of matrices [models, rows, columns] (arXiv:2412.00081, section 4.2).

    Each gives its leading singular directions, 1/models of all, one at least. Those of all models,
    side by side, are replaced by the nearest orthonormal ones, on both sides.
    """
    kept = max(1, min(deltas.shape[1:]) // len(deltas))
    parts = [spectrum(delta).top(kept) for delta in deltas]
    left = orthonormal(torch.cat([part.left for part in parts], 1))
    right = orthonormal(torch.cat([part.right for part in parts], 0))
    return product(left * torch.cat([part.values for part in parts]), right)


def flattened(matrix: Tensor) -> Tensor:
    """Iso-C of a matrix: its singular values replaced by their mean (arXiv:2502.04959, 4.1).

    Those that are rounding stay 0, but count in the mean.
    """
    found = spectrum(matrix)
    kept = found.top(found.rank)
    return found.values.mean() * product(kept.left, kept.right)


def on_matrices(merge: MergeMatrices, scale: float) -> Combine:
    """Merges matrices by `merge` and averages vectors and all else; both are scaled.

    Weights count in relation to their mean; a model without weight is left out.
    """

    def combine(name: str, deltas: Tensor, shares: Tensor) -> Tensor:
        weights = shares.flatten()
        used = weights != 0
        if not used.any() or not deltas[0].numel():
            return torch.zeros_like(deltas[0])
        mean = weights[used].mean()
        factors = shares[used] / (mean if mean > 0 else 1)
        weighted = factors * deltas[used]
        if deltas.ndim != 3:
            return scale * weighted.mean(0)
        return (scale * merge(weighted.double())).to(deltas.dtype)

    return combine


@contextmanager
def one_thread() -> Iterator[None]:
    """Inside, every operation of this thread uses one thread."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)
