"""A complex factor for every pair of units: all that commutes with rotary positions.

Of n units, unit p is paired with unit p + n/2, as transformers' `rotate_half` pairs them. A pair
(x, y) is the complex number x + iy; rotary positions multiply it by a phase, at a frequency of its
own (arXiv:2104.09864, section 3.2). The linear maps that commute with all of them multiply every
pair by some complex number c. Where queries are multiplied by c, and keys by its inverse transpose
1 / conj(c), the real part of query times conj(key) stays what it is, whatever the positions are.
"""

from __future__ import annotations

import torch
from torch import Tensor


def matrix_of(factors: Tensor) -> Tensor:
    """Multiplication by complex `factors` [..., n / 2] as a real matrix [..., n, n]."""
    real, imaginary = torch.diag_embed(factors.real), torch.diag_embed(factors.imag)
    above = torch.cat([real, -imaginary], -1)
    return torch.cat([above, torch.cat([imaginary, real], -1)], -2)


def factors_in(matrix: Tensor) -> Tensor:
    """The complex factors [..., n / 2] nearest to a real `matrix` [..., n, n]: least squares.

    What any c is worth, its real inner product with `matrix`, is 2 Re(conj(c) factor), summed.
    """
    half = matrix.shape[-1] // 2
    xx, xy = matrix[..., :half, :half], matrix[..., :half, half:]
    yx, yy = matrix[..., half:, :half], matrix[..., half:, half:]
    real, imaginary = ((xx + yy) / 2, (yx - xy) / 2)
    return torch.complex(real.diagonal(dim1=-2, dim2=-1), imaginary.diagonal(dim1=-2, dim2=-1))


def nearest_turn(matrix: Tensor) -> Tensor:
    """The factors of size 1, as a matrix, with the largest inner product with `matrix`.

    [..., n, n]; a pair of which it says nothing is left alone. The polar factor of every pair.
    """
    factors = factors_in(matrix)
    turned = torch.where(factors.abs() > 0, torch.sgn(factors), torch.ones_like(factors))
    return matrix_of(turned)


def is_rotary(matrix: Tensor, tolerance: float) -> bool:
    """Whether `matrix` [..., n, n] multiplies pairs by complex factors and does nothing else.

    tolerance: the largest error, as a share of its largest entry.
    """
    error = (matrix - matrix_of(factors_in(matrix))).abs().max()
    return bool(error <= tolerance * matrix.abs().max())
