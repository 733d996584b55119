"""Normal equations of a least-squares fit: summed over images, then solved.

Every fit here corrects an error: given rows X and what is still missing behind them, R, it finds D
and d such that X @ D^T + d comes closest to R.

Shapes: X [groups, rows, inputs], R [groups, rows, outputs], D [groups, outputs, inputs]. Sums and
everything made from them are float64.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

RIDGES = (1e-4, 1e-3, 3e-3, 1e-2, 3e-2, 1e-1, 3e-1, 1.0, 10.0)
"""Ridges to choose from, as shares of the inputs' mean variance."""

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
    return {
        "n": torch.tensor(float(n), dtype=torch.float64),
        "x": n * mean_x,
        "r": n * mean_r,
        "xx": (x.mT @ x).double() + n * _outer(mean_x, mean_x),
        "xr": (x.mT @ r).double() + n * _outer(mean_x, mean_r),
    }


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
    """The one of `RIDGES` with which a fit on the first fold comes closest on the second."""
    if len(folds) < 2:
        return BLIND_RIDGE
    fitted, held_out = folds
    scale = scales(fitted, blocks)
    errors = [change(held_out, solve(fitted, ridge * scale)) for ridge in RIDGES]
    return RIDGES[errors.index(min(errors))]


def change(found: RegressionMoments, correction: Tensor) -> float:
    """By how much `correction` changes the mean squared error, summed over outputs."""
    return float(((correction @ found.xx - 2 * found.xr.mT) * correction).sum())


def _outer(a: Tensor, b: Tensor) -> Tensor:
    return a.unsqueeze(-1) * b.unsqueeze(-2)
