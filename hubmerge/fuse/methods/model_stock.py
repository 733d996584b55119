"""Model Stock: as far from the base as the angle between the models says."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations

import torch
from torch import Tensor

from hubmerge.fuse._task_vectors import onto
from hubmerge.fuse.laws import EXCHANGE, PERMUTATIONS, ROTATIONS
from hubmerge.fuse.registry import fusion
from hubmerge.symmetry.permutation import State

TINY = 1e-6


@fusion(
    source="arXiv:2403.19522, section 4",
    laws=(EXCHANGE, PERMUTATIONS, ROTATIONS),
    weighs=False,
    tensorwise=True,
)
def model_stock(
    states: Sequence[State], weights: Sequence[float], *, base: State
) -> dict[str, Tensor]:
    """The mean of the models shrunk towards the base, tensor by tensor, by their mutual angle.

    The ratio t = N cos / (1 + (N - 1) cos) is the foot of the perpendicular from the centre of all
    such models, which the paper estimates from N of them. Where they point in opposite directions
    the base stays.
    """
    even = [1 / len(states)] * len(states)

    def combine(name: str, deltas: Tensor, shares: Tensor) -> Tensor:
        return _ratio(deltas) * (shares * deltas).sum(0)

    return onto(base, states, even, combine)


def _ratio(deltas: Tensor) -> Tensor:
    """t of task vectors [models, ...], from the mean cosine between them."""
    rows = deltas.flatten(1)
    norms = rows.norm(dim=1)
    cosines = [
        ((rows[i] @ rows[j]) / (norms[i] * norms[j]).clamp_min(TINY)).clamp(-1, 1)
        for i, j in combinations(range(len(rows)), 2)
    ]
    cosine, count = torch.stack(cosines).mean(), len(rows)
    below = 1 + (count - 1) * cosine
    return torch.where(
        below.abs() < TINY, 0.0, count * cosine / torch.where(below == 0, 1.0, below)
    )
