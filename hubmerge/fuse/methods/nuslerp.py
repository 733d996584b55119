"""NuSLERP: two models, or their task vectors, along the great circle, or row by row."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Literal

import torch
from torch import Tensor

from hubmerge.fuse._sphere import by_direction
from hubmerge.fuse.laws import LAWS, UNITY
from hubmerge.fuse.options import Says
from hubmerge.fuse.registry import fusion
from hubmerge.symmetry.permutation import State

PARALLEL = 1e-6
"""Sine of an angle below which the circle is a line."""


@fusion(
    source="Shoemake, SIGGRAPH 1985; arXiv:2403.13257 (mergekit)",
    laws=tuple(set(LAWS) - {UNITY}),
    tensorwise=True,
    pair=True,
)
def nuslerp(
    states: Sequence[State],
    weights: Sequence[float],
    *,
    base: State | None = None,
    along: Annotated[
        Literal["tensor", "rows", "columns"],
        Says("what is a vector: a whole tensor, its rows (last axis) or columns (first axis)"),
    ] = "tensor",
) -> dict[str, Tensor]:
    """Spherical interpolation of two models; with a base, of their task vectors.

    Vectors that point the same or the opposite way, or are 0, are averaged.
    """

    def combine(rows: Tensor, shares: Tensor) -> Tensor:
        if along == "columns":
            return _circle(rows.movedim(1, -1), shares).movedim(-1, 0)
        if along == "rows":
            return _circle(rows, shares)
        return _circle(rows.flatten(1), shares).view(rows.shape[1:])

    return by_direction(states, weights, base, combine)


def _circle(rows: Tensor, shares: Tensor) -> Tensor:
    """Between vectors along the last axis of two tensors, [2, ..., n]."""
    norms = rows.norm(dim=-1, keepdim=True)
    units = rows / torch.where(norms > 0, norms, 1.0)
    angle = (units[0] * units[1]).sum(-1, keepdim=True).clamp(-1, 1).acos()
    below = angle.sin()
    line = (norms == 0).any(0) | (below < PARALLEL)
    parts = [
        torch.where(line, share, (share * angle).sin() / torch.where(line, 1.0, below))
        for share in shares
    ]
    return parts[0] * rows[0] + parts[1] * rows[1]
