"""Mean and variance of every channel at chosen modules, pooled over calibration batches."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from transformers.pytorch_utils import Conv1D

from hubmerge.repair.registry import MethodContext
from hubmerge.symmetry.permutation import State
from hubmerge.utils.hooks import ThreadValues, leaving, placed

Replace = Callable[[nn.Module, Tensor, Tensor], Tensor | None]


@dataclass(frozen=True)
class ChannelStatistics:
    """Mean and unbiased variance [channels], float64, over `count` observations per channel."""

    mean: Tensor
    variance: Tensor
    count: int


def channel_axis(values: Tensor, module: nn.Module) -> int:
    """The axis of `values` that runs over channels: 1 behind convolutions and their norms."""
    return -1 if isinstance(module, nn.Linear | Conv1D) else 1


def channel_statistics(
    context: MethodContext,
    state: State,
    modules: Sequence[str],
    *,
    look_at_input: bool = False,
    replace: Mapping[str, Replace] | None = None,
) -> dict[str, ChannelStatistics]:
    """Statistics of what leaves (or enters) each of `modules` when `state` sees the batches.

    replace: by module, what the rest of the network gets to see instead of its output, so that
        one pass can measure every layer behind already repaired ones.
    """
    seen = ThreadValues()

    def look(name: str) -> Replace:
        def hook(module: nn.Module, given: Tensor, output: Tensor) -> Tensor | None:
            values = given if look_at_input else output
            seen.values[name] = _sums(values, channel_axis(values, module))
            return replace[name](module, given, output) if replace else None

        return hook

    def one(number: int) -> dict[str, Tensor]:
        batch = context.batches[number].inputs
        inputs = {key: value.to(context.workers.device) for key, value in batch.items()}
        with torch.inference_mode():
            context.scratch(**inputs)
        return {
            f"{name}:{key}": value
            for name, sums in seen.take().items()
            for key, value in sums.items()
        }

    context.scratch.load_state_dict(dict(state))
    context.scratch.eval()
    hooks = {name: look(name) for name in modules}
    with placed(context.workers.device, context.scratch), leaving(context.scratch, hooks):
        sums = context.workers.sum(one, range(len(context.batches)), "statistics")
    return {name: _pooled(sums, name) for name in modules}


def _sums(values: Tensor, axis: int) -> dict[str, Tensor]:
    """Count, sum and sum of squares about 0 of one batch, the squares taken about its own mean."""
    rows = values.movedim(axis, -1).flatten(0, -2)
    count = torch.tensor(float(len(rows)), dtype=torch.float64)
    mean = rows.mean(0, dtype=torch.float64)
    spread = (rows - mean.to(rows.dtype)).square().sum(0, dtype=torch.float64)
    return {"n": count, "sum": count * mean, "square": spread + count * mean.square()}


def _pooled(sums: Mapping[str, Tensor], name: str) -> ChannelStatistics:
    n, total, square = (sums[f"{name}:{key}"] for key in ("n", "sum", "square"))
    mean = total / n
    variance = ((square - n * mean.square()) / (n - 1).clamp_min(1)).clamp_min(0)
    return ChannelStatistics(mean, variance, int(n))
