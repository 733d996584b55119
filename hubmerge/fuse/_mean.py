"""The weighted mean of states, which most fusions begin or end with."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from hubmerge.fuse._running_statistics import is_statistic
from hubmerge.symmetry.permutation import State

PIECE = 2**16
"""Entries that are averaged together: few enough for what is made on the way to stay in a cache."""


def weighted_mean(states: Sequence[State], weights: Sequence[float]) -> dict[str, Tensor]:
    """The weighted mean of every tensor: the first that counts, plus the others' differences to it.

    weights: one per state, summing to 1. Sums are in float64; dtypes are the first state's. What
    all agree on is kept to the last bit. Counters and other integers come from the first state.
    Raises: ValueError if the weights do not sum to 1 or their number is wrong.
    """
    if len(states) != len(weights) or abs(sum(weights) - 1) > 1e-6:
        raise ValueError(f"{len(states)} models need as many weights, summing to 1: {weights}")
    return {
        name: _mean([state[name] for state in states], weights)
        if tensor.is_floating_point()
        else tensor.clone()
        for name, tensor in states[0].items()
    }


def of_each(
    states: Sequence[State], weights: Sequence[float], make: Callable[[list[Tensor]], Tensor]
) -> dict[str, Tensor]:
    """What `make` makes of the models' tensors of one name, wherever something was trained.

    What it makes is stored in the first state's dtype. Running statistics are averaged, counters
    come from the first state.
    Raises: ValueError as `weighted_mean` does.
    """
    trained = {n for n, v in states[0].items() if v.is_floating_point() and not is_statistic(n)}
    rest = [{n: v for n, v in state.items() if n not in trained} for state in states]
    mean = weighted_mean(rest, weights)
    return {
        name: make([state[name] for state in states]).to(value.dtype)
        if name in trained and value.numel()
        else mean.get(name, value)
        for name, value in states[0].items()
    }


def _mean(tensors: Sequence[Tensor], weights: Sequence[float]) -> Tensor:
    """Exactly the first tensor of any weight where all the others agree with it."""
    counted = [(tensor, weight) for tensor, weight in zip(tensors, weights, strict=True) if weight]
    if len(counted) == 1:
        return counted[0][0].to(tensors[0].dtype, copy=True)
    mean = torch.empty(tensors[0].shape, dtype=tensors[0].dtype)
    parts = [tensor.flatten().split(PIECE) for tensor, _ in counted]
    shares = [weight for _, weight in counted]
    for part, *given in zip(mean.view(-1).split(PIECE), *parts, strict=True):
        part.copy_(_mean_of_part(given, shares))
    return mean


def _mean_of_part(tensors: Sequence[Tensor], weights: Sequence[float]) -> Tensor:
    """The mean of two tensors or more, none of weight 0, in float64."""
    start = tensors[0].double()
    change: Tensor | None = None
    for tensor, weight in zip(tensors[1:], weights[1:], strict=True):
        step = tensor.double().sub(start).mul_(weight)
        change = step if change is None else change.add_(step)
    assert change is not None
    mean = torch.where(change == 0, start, change.add(start))  # -0 + 0 would be +0
    if not torch.isfinite(mean.sum()):
        mean = torch.where(torch.isfinite(mean), mean, _by_terms(tensors, weights))
    return mean


def _by_terms(tensors: Sequence[Tensor], weights: Sequence[float]) -> Tensor:
    """The same mean term by term, which does not overflow where a difference would."""
    terms = [weight * tensor.double() for tensor, weight in zip(tensors, weights, strict=True)]
    return torch.stack(terms).sum(0)
