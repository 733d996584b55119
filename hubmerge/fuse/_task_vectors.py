"""Task vectors: what each model added to the base they were all made from."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import reduce

import torch
from torch import Tensor

from hubmerge.fuse._mean import weighted_mean
from hubmerge.fuse._running_statistics import is_statistic
from hubmerge.symmetry.permutation import State

Combine = Callable[[str, Tensor, Tensor], Tensor]
"""Name, task vectors [models, ...] and weights [models, 1, ...] of a tensor -> its change."""

Mask = Callable[[str, Tensor, int], Tensor]
"""Name of a tensor, task vector [n], number of its model -> which entries are kept, bool [n], or
what each is multiplied by, [n] in the task vector's dtype.

The task vector may be overwritten, but is not what is returned."""

AGREEING = "whether the models that agree are averaged, or summed by their weights"

ROUNDING = 1e-6
"""How far from 1 a sum of weights may be that is meant to be 1."""

PIECE = 2**16
"""Entries that are combined together: few enough for what is made on the way to stay in a cache."""


def onto(
    base: State, states: Sequence[State], weights: Sequence[float], combine: Combine
) -> dict[str, Tensor]:
    """The base with every floating tensor changed by what `combine` makes of the task vectors.

    Done in the widest dtype of the states, float32 at least; the result has that of the first state
    or of the base, whichever is wider. Running statistics are averaged, counters come from the
    first state. weights: what each task vector weighs; they need not sum to 1.
    """

    def change(name: str, start: Tensor, others: Sequence[Tensor]) -> Tensor:
        exact = _exact(start, *others)
        first = start.to(exact)
        deltas = torch.stack([other.to(exact) - first for other in others])
        shares = torch.tensor(list(weights), dtype=exact).view(len(others), *[1] * start.ndim)
        return first + combine(name, deltas, shares)

    return _changed(base, states, weights, change)


def onto_masked(
    base: State,
    states: Sequence[State],
    weights: Sequence[float],
    mask: Mask,
    combine: Combine,
) -> dict[str, Tensor]:
    """As `onto`, of task vectors of which `mask` keeps a part, and a `combine` that is elementwise.

    One task vector is masked at a time, and a piece of them combined at a time, so that no more is
    held than the states, the masks and the result.
    """

    def change(name: str, start: Tensor, others: Sequence[Tensor]) -> Tensor:
        exact = _exact(start, *others)
        flat, rows = start.flatten(), [other.flatten() for other in others]
        delta = torch.empty(len(flat), dtype=exact)
        kept = [
            mask(name, _difference(row, flat, out=delta), number) for number, row in enumerate(rows)
        ]
        del delta
        shares = torch.tensor(list(weights), dtype=exact).view(-1, 1)
        merged = torch.empty(len(flat), dtype=exact)
        for at in range(0, len(flat), PIECE):
            here = slice(at, at + PIECE)
            first = flat[here].to(exact)
            deltas = torch.stack(
                [
                    (row[here].to(exact) - first).mul_(share[here].to(exact))
                    for row, share in zip(rows, kept, strict=True)
                ]
            )
            merged[here] = first + combine(name, deltas, shares)
        return merged.view_as(start)

    return _changed(base, states, weights, change)


def elected(
    deltas: Tensor, shares: Tensor, *, normalize: bool = True, counted: bool = False
) -> Tensor:
    """The mean over those models whose change has the sign that weighs most: TIES' second half.

    deltas, shares: [models, ...] and [models, 1, ...]. Where nothing is elected the change is 0.
    normalize: whether it is the mean of those that agree, or their weighted sum. counted: whether
    the sign is that of the changes' sum as they are, whatever the models weigh.
    """
    weighed = shares * deltas
    votes = deltas if counted else weighed
    sign = (votes.sum(0) >= 0).to(deltas.dtype).mul_(2).sub_(1)
    agrees = (votes * sign).sign_().clamp_(min=0)  # 1 or 0
    summed = weighed.mul_(agrees).sum(0)
    if not normalize:
        return summed
    weight = agrees.mul_(shares).sum(0)
    return summed.div_(weight.add_(weight == 0))


def each(value: float | tuple[float, ...], count: int) -> tuple[float, ...]:
    """A value for each of `count` models, where one stands for all of them."""
    return value if isinstance(value, tuple) else (value,) * count


def _changed(
    base: State,
    states: Sequence[State],
    weights: Sequence[float],
    change: Callable[[str, Tensor, Sequence[Tensor]], Tensor],
) -> dict[str, Tensor]:
    """Tensors that were trained by `change`, all others averaged."""
    trained = {n for n, value in base.items() if value.is_floating_point() and not is_statistic(n)}
    rest = [{n: v for n, v in state.items() if n not in trained} for state in states]
    mean = weighted_mean(rest, _shares(weights))
    return {
        name: change(name, base[name], [state[name] for state in states]).to(
            torch.promote_types(value.dtype, base[name].dtype)
        )
        if name in trained
        else mean[name]
        for name, value in states[0].items()
    }


def _shares(weights: Sequence[float]) -> list[float]:
    """Weights of a mean: equal ones, where those of task vectors are none."""
    total = sum(weights)
    if abs(total - 1) <= ROUNDING:
        return list(weights)
    if total <= 0 or min(weights) < 0:
        return [1 / len(weights)] * len(weights)
    return [weight / total for weight in weights]


def _exact(*tensors: Tensor) -> torch.dtype:
    """The widest dtype of the tensors, float32 at least."""
    return reduce(torch.promote_types, (tensor.dtype for tensor in tensors), torch.float32)


def _difference(row: Tensor, start: Tensor, out: Tensor) -> Tensor:
    """`row` - `start` in `out`, [n], taken piece by piece."""
    for at in range(0, len(row), PIECE):
        here = slice(at, at + PIECE)
        torch.sub(row[here].to(out.dtype), start[here].to(out.dtype), out=out[here])
    return out
