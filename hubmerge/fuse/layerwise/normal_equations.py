"""Normal equations of a least-squares fit: summed over images, then solved.

Every fit here corrects an error: given rows X and what is still missing behind them, R, it finds D
and d such that X @ D^T + d comes closest to R.

Shapes: X [groups, rows, inputs], R [groups, rows, outputs], D [groups, outputs, inputs]. Sums and
everything made from them are float64.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache

import torch
from torch import Tensor

RIDGES = (1e-4, 1e-3, 3e-3, 1e-2, 3e-2, 1e-1, 3e-1, 1.0, 10.0)
"""Ridges to choose from, as shares of the inputs' mean variance."""

PIECES = 4
"""Parts that the inputs of a layer are cut into while their products are taken: those of two parts
are the transpose of those of the same two in the other order."""

PIECE = 128
"""Inputs of a part, at least."""

BLIND_RIDGE = 0.1
"""The ridge where there are too few images to hold any out."""


@dataclass(frozen=True)
class RegressionMoments:
    """Number of rows, mean of X and R, and the mean products about those means."""

    count: Tensor
    x: Tensor
    r: Tensor
    xx: Tensor
    xr: Tensor

    @property
    def about_zero(self) -> RegressionMoments:
        """Means of 0 and products about 0: for layers without a bias, which cannot shift."""
        return RegressionMoments(
            self.count,
            torch.zeros_like(self.x),
            torch.zeros_like(self.r),
            self.xx + _outer(self.x, self.x),
            self.xr + _outer(self.x, self.r),
        )

    def outputs(self, start: int, stop: int) -> RegressionMoments:
        """The same for some of the outputs."""
        part = slice(start, stop)
        return RegressionMoments(self.count, self.x, self.r[..., part], self.xx, self.xr[..., part])


def sums(x: Tensor, r: Tensor) -> dict[str, Tensor]:
    """Sums over the rows of some images, to be added to those of others.

    Products are taken about these rows' own means and completed in float64: nothing cancels.
    """
    n = x.shape[1]
    mean_x, mean_r = (rows.mean(1, dtype=torch.float64) for rows in (x, r))
    x, r = x - mean_x.to(x.dtype).unsqueeze(1), r - mean_r.to(r.dtype).unsqueeze(1)
    column = mean_x.unsqueeze(-1)
    return {
        "n": torch.tensor(float(n), dtype=torch.float64),
        "x": n * mean_x,
        "r": n * mean_r,
        "xx": _gram(x).baddbmm_(column, column.mT, alpha=n),
        "xr": (x.mT @ r).double().baddbmm_(column, mean_r.unsqueeze(-2), alpha=n),
    }


def _gram(x: Tensor) -> Tensor:
    """x^T x, float64 [groups, inputs, inputs], each product of two parts of the inputs once."""
    groups, _, inputs = x.shape
    found = x.new_empty(groups, inputs, inputs, dtype=torch.float64)
    parts = torch.arange(inputs).split(max(PIECE, -(-inputs // PIECES)))
    spans = [slice(int(part[0]), int(part[-1]) + 1) for part in parts]
    for number, row in enumerate(spans):
        for column in spans[number:]:
            found[:, row, column] = x[..., row].mT @ x[..., column]
            if column != row:
                found[:, column, row] = found[:, row, column].mT
    return found


def moments(parts: Sequence[Mapping[str, Tensor]]) -> RegressionMoments:
    """Moments of all the rows that went into some `sums`."""
    n, x, r, xx, xr = (
        torch.stack([part[key] for part in parts]).sum(0) for key in ("n", "x", "r", "xx", "xr")
    )
    x, r = x / n, r / n
    return RegressionMoments(n, x, r, xx / n - _outer(x, x), xr / n - _outer(x, r))


def solve(found: RegressionMoments, penalty: Tensor) -> Tensor:
    """D with the least mean squared error plus penalty * D^2.

    penalty: positive, per input, [groups, inputs].
    """
    left = torch.linalg.cholesky(found.xx + torch.diag_embed(penalty))
    return torch.cholesky_solve(found.xr, left).mT


def scales(found: RegressionMoments, blocks: Sequence[int]) -> Tensor:
    """Mean variance of the inputs of each block, at each of them, [groups, inputs]; 1 if 0.

    blocks: how many inputs each layer has, where several are fitted together.
    """
    variances = torch.diagonal(found.xx, dim1=-2, dim2=-1).split(list(blocks), -1)
    scale = torch.cat([part.mean(-1, keepdim=True).expand_as(part) for part in variances], -1)
    return torch.where(scale > 0, scale, 1.0)


def chosen_ridge(folds: Sequence[RegressionMoments], blocks: Sequence[int]) -> float:
    """The one of `RIDGES` with which a fit on the first fold comes closest on the second.

    They are gone through from the end of the first third, a usual one, to the side on which the
    error falls, until it rises.
    """
    if len(folds) < 2:
        return BLIND_RIDGE
    fitted, held_out = folds
    scale = scales(fitted, blocks)

    @cache
    def error(number: int) -> float:
        if not 0 <= number < len(RIDGES):
            return math.inf
        return change(held_out, solve(fitted, RIDGES[number] * scale))

    best = len(RIDGES) // 3
    step = 1 if error(best + 1) < error(best) else -1
    while error(best + step) < error(best):
        best += step
    return RIDGES[best]


def change(found: RegressionMoments, correction: Tensor) -> float:
    """By how much `correction` changes the mean squared error, summed over outputs."""
    return float(((correction @ found.xx - 2 * found.xr.mT) * correction).sum())


def _outer(a: Tensor, b: Tensor) -> Tensor:
    return a.unsqueeze(-1) * b.unsqueeze(-2)
