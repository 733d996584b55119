"""REPAIR: every channel's mean and deviation set to the parents', folded into the weights."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn
from transformers.pytorch_utils import Conv1D

from hubmerge.errors import RecipeError
from hubmerge.errors.wording import option
from hubmerge.repair.methods.batchnorm import batch_norms, reestimate_batch_norm
from hubmerge.repair.registry import MethodContext, Repairer, repair
from hubmerge.repair.statistics import (
    ChannelStatistics,
    between,
    channel_axis,
    channel_statistics,
)
from hubmerge.symmetry.permutation import State

Targets = dict[str, tuple[Tensor, Tensor]]
TINY = 1e-12


@repair(source="arXiv:2211.08403, section 4")
def rescale(context: MethodContext, parents: Sequence[State]) -> Repairer:
    """Per-channel mean and standard deviation of every hidden layer, averaged over the parents.

    Measured before the activation on calibration images, behind already repaired layers, then
    folded into weight and bias; a layer without bias keeps its mean. What measuring so does to the
    parents is taken off. Models with batch norm are repaired by re-estimating it, which does the
    same.

    Raises: RecipeError without a spec, which says what the hidden layers are.
    """
    if batch_norms(context.scratch):
        return reestimate_batch_norm(context, parents)
    if context.spec is None:
        raise RecipeError(
            f"{option('repair', 'repair')} needs a spec for this family",
            hint=f"{option('repair', 'none')}, or write a spec (docs/spec.md)",
            field="repair",
        )
    modules = hidden_layers(context)

    def corrected(state: State, targets: Targets) -> dict[str, ChannelStatistics]:
        replace = {name: _toward(*targets[name]) for name in modules}
        return channel_statistics(context, state, modules, replace=replace)

    own, shifts = [], []
    for state in parents:
        found = channel_statistics(context, state, modules)
        own.append({name: (found[name].mean, found[name].variance.sqrt()) for name in modules})
        seen = corrected(state, own[-1])
        shifts.append({name: _shift(own[-1][name], seen[name]) for name in modules})

    def apply(state: State, weights: Sequence[float]) -> dict[str, Tensor]:
        targets = {name: between([each[name] for each in own], weights) for name in modules}
        repaired = dict(state)
        seen = corrected(state, targets)
        for name in modules:
            axis = _out(context.scratch.get_submodule(name))
            shift = between([each[name] for each in shifts], weights)
            repaired |= _folded(
                repaired, name, axis, _unshifted(seen[name], *shift), *targets[name]
            )
        return repaired

    return apply


def _shift(plain: tuple[Tensor, Tensor], seen: ChannelStatistics) -> tuple[Tensor, Tensor]:
    """What measuring behind corrected layers does to a parent, which needs no correction.

    Batches are corrected one by one there: the mean moves, in deviations, and the deviation by a
    factor.
    """
    mean, deviation = plain
    alive = (deviation > TINY) & (seen.variance.sqrt() > TINY)
    safe = torch.where(alive, deviation, 1.0)
    factor = torch.where(alive, seen.variance.sqrt() / safe, 1.0)
    return torch.where(alive, (seen.mean - mean) / safe, 0.0), factor


def _unshifted(seen: ChannelStatistics, moved: Tensor, factor: Tensor) -> ChannelStatistics:
    """What would have been seen without that."""
    deviation = seen.variance.sqrt() / factor
    return ChannelStatistics(seen.mean - moved * deviation, deviation.square(), seen.count)


def hidden_layers(context: MethodContext) -> list[str]:
    """Linear and convolution modules whose output channels are units of a free space."""
    assert context.spec is not None
    free = set(context.spec.free_spaces())
    return [
        name
        for name, module in context.scratch.named_modules()
        if isinstance(module, nn.Linear | nn.Conv2d | Conv1D)
        and free.intersection(context.spec.tensors[f"{name}.weight"].axes[_out(module)].names())
    ]


def _out(module: nn.Module) -> int:
    """The axis of the module's weight that runs over its outputs."""
    return 1 if isinstance(module, Conv1D) else 0


def _toward(mean: Tensor, deviation: Tensor) -> Callable[[nn.Module, Tensor, Tensor], Tensor]:
    def hook(module: nn.Module, given: Tensor, output: Tensor) -> Tensor:
        axis = channel_axis(output, module)
        rows = output.movedim(axis, -1)
        own = rows.flatten(0, -2)
        here = own.mean(0)
        scale = _scale(deviation, own.var(0).double()).to(output.device)
        wanted = mean.to(output) if module.bias is not None else here * scale.to(output)
        return ((rows - here) * scale.to(output) + wanted).movedim(-1, axis)

    return hook


def _scale(deviation: Tensor, variance: Tensor) -> Tensor:
    """Factor that takes a channel to `deviation`; 1 where it is constant."""
    own = variance.cpu().sqrt()
    return torch.where(own > TINY, deviation / own.clamp_min(TINY), 1.0)


def _folded(
    state: State,
    name: str,
    axis: int,
    found: ChannelStatistics,
    mean: Tensor,
    deviation: Tensor,
) -> dict[str, Tensor]:
    weight, bias = state[f"{name}.weight"], state.get(f"{name}.bias")
    scale = _scale(deviation, found.variance)
    along = scale.view([-1 if k == axis else 1 for k in range(weight.ndim)])
    folded = {f"{name}.weight": (weight.double() * along).to(weight.dtype)}
    if bias is not None:
        shifted = (bias.double() - found.mean) * scale + mean
        folded[f"{name}.bias"] = shifted.to(bias.dtype)
    return folded
