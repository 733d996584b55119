"""KnOTS: TIES on task matrices that are written in one common basis."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import torch
from torch import Tensor

from hubmerge.fuse._selection import largest
from hubmerge.fuse._spectral import product, spectrum
from hubmerge.fuse._task_vectors import elected, onto
from hubmerge.fuse.laws import EXCHANGE, PERMUTATIONS
from hubmerge.fuse.options import Says
from hubmerge.fuse.registry import fusion
from hubmerge.symmetry.permutation import State


@fusion(
    source="arXiv:2410.19735, section 4",
    laws=(EXCHANGE, PERMUTATIONS),
    tensorwise=True,
    spectral=True,
)
def knots(
    states: Sequence[State],
    weights: Sequence[float],
    *,
    base: State,
    density: Annotated[float, Says("share of each task vector that is kept", 0, 1)] = 0.2,
    scale: Annotated[float, Says("what the merged task vector is multiplied by")] = 1.0,
) -> dict[str, Tensor]:
    """Task matrices side by side, in the basis of their common left singular vectors, then TIES.

    For LoRAs merged into their base, whose task matrices are of low rank and whose entries are
    little alike. Tensors that are no matrices are averaged.
    """

    def combine(name: str, deltas: Tensor, shares: Tensor) -> Tensor:
        if deltas.ndim != 3 or not deltas[0].numel():
            return scale * (shares * deltas).sum(0)
        count, _, columns = deltas.shape
        whole = spectrum(torch.cat([*deltas.double()], 1))
        whole = whole.top(whole.rank)
        written = (whole.values.unsqueeze(1) * whole.right).view(-1, count, columns)
        parts = written.transpose(0, 1)
        kept = int(density * parts[0].numel())
        masks = [largest(part.abs().flatten(), kept).view_as(part) for part in parts]
        merged = elected(parts * torch.stack(masks), shares.double())
        return (scale * product(whole.left, merged)).to(deltas.dtype)

    return onto(base, states, weights, combine)
