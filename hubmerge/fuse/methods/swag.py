"""SWAG: a sample from the Gaussian that a run's checkpoints describe."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import torch
from torch import Tensor

from hubmerge.fuse._draws import drawing
from hubmerge.fuse._mean import weighted_mean
from hubmerge.fuse._running_statistics import is_statistic
from hubmerge.fuse.options import Says
from hubmerge.fuse.registry import fusion
from hubmerge.symmetry.permutation import State


@fusion(
    source="arXiv:1902.02476, section 3.2 and Algorithm 1",
    weighs=False,
    of_a_run=True,
    random=True,
)
def swag(
    states: Sequence[State],
    weights: Sequence[float],
    *,
    seed: int,
    rank: Annotated[
        int, Says("columns of the covariance's low-rank half: latest checkpoints", 2)
    ] = 20,
    scale: Annotated[float, Says("deviations the sample is drawn with; 0 is the mean", 0)] = 1.0,
) -> dict[str, Tensor]:
    """A sample around the mean of a run's checkpoints, with diagonal and low-rank covariance.

    Half of the covariance is diagonal, half of it spanned by the last checkpoints' deviations from
    the mean up to each of them. Running statistics and counters are not drawn.
    """
    mean = weighted_mean(states, [1 / len(states)] * len(states))
    count = min(rank, len(states) - 1)
    along = torch.randn(count, generator=drawing(f"{seed}"), dtype=torch.float64)
    for name, centre in mean.items():
        if not centre.is_floating_point() or is_statistic(name):
            continue
        values = torch.stack([state[name].double() for state in states])
        mean[name] = (centre.double() + scale * _drawn(values, along, f"{seed}:{name}")).to(
            centre.dtype
        )
    return mean


def _drawn(values: Tensor, along: Tensor, named: str) -> Tensor:
    """A deviation from the mean of a tensor's `values` [checkpoints, ...].

    along: the draw that is shared by all tensors, one number per column.
    """
    variance = values.var(0, correction=0)
    alone = torch.randn(variance.shape, generator=drawing(named), dtype=torch.float64)
    so_far = values.cumsum(0) / torch.arange(1, len(values) + 1).view(-1, *[1] * variance.ndim)
    columns = (values - so_far)[-len(along) :]
    shared = torch.tensordot(along, columns, 1)
    return (variance / 2).sqrt() * alone + shared / (2 * max(1, len(along) - 1)) ** 0.5
