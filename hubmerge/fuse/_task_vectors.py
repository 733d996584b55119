"""Task vectors: what each model added to the base they were all made from."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from hubmerge.fuse._mean import weighted_mean
from hubmerge.fuse._running_statistics import is_statistic
from hubmerge.symmetry.permutation import State

Combine = Callable[[str, Tensor, Tensor], Tensor]
"""Name, task vectors [models, ...] and weights [models, 1, ...] of a tensor -> its change."""


def onto(
    base: State, states: Sequence[State], weights: Sequence[float], combine: Combine
) -> dict[str, Tensor]:
    """The base with every floating tensor changed by what `combine` makes of the task vectors.

    Done in the tensor's own precision, float32 at least. Running statistics are averaged, counters
    come from the first state. Raises: ValueError as `weighted_mean` does.
    """
    merged = {n for n, start in base.items() if start.is_floating_point() and not is_statistic(n)}
    rest = [{n: value for n, value in state.items() if n not in merged} for state in states]
    mean, fused = weighted_mean(rest, weights), {}
    for name in states[0]:
        if name not in merged:
            fused[name] = mean[name]
            continue
        start = base[name]
        exact = torch.promote_types(start.dtype, torch.float32)
        first = start.to(exact)
        deltas = torch.stack([state[name].to(exact) - first for state in states])
        shape = (len(states), *[1] * start.ndim)
        shares = torch.tensor(list(weights), dtype=exact).view(shape)
        fused[name] = (first + combine(name, deltas, shares)).to(start.dtype)
    return fused


def elected(deltas: Tensor, shares: Tensor) -> Tensor:
    """The mean over those models whose change has the sign that weighs most: TIES' second half.

    deltas, shares: [models, ...] and [models, 1, ...]. Where nothing is elected the change is 0.
    """
    weighed = shares * deltas
    sign = torch.where(weighed.sum(0) >= 0, 1.0, -1.0)
    agrees = deltas.sign() == sign
    weight = (shares * agrees).sum(0)
    return (weighed * agrees).sum(0) / torch.where(weight == 0, 1.0, weight)
