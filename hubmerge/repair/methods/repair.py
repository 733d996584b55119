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
from hubmerge.repair.statistics import ChannelStatistics, channel_axis, channel_statistics
from hubmerge.symmetry.permutation import State

Targets = dict[str, tuple[Tensor, Tensor]]
TINY = 1e-12


@repair(source="arXiv:2211.08403, section 4")
def rescale(context: MethodContext, parents: Sequence[State]) -> Repairer:
    """Per-channel mean and standard deviation of every hidden layer, averaged over the parents.

    Measured before the activation on calibration images, behind already repaired layers, then
    folded into weight and bias; a layer without bias keeps its mean. Models with batch norm are
    repaired by re-estimating it, which does the same.

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
    own = [channel_statistics(context, state, modules) for state in parents]

    def apply(state: State, weights: Sequence[float]) -> dict[str, Tensor]:
        targets = {name: _between([each[name] for each in own], weights) for name in modules}
        replace = {name: _toward(*targets[name]) for name in modules}
        found = channel_statistics(context, state, modules, replace=replace)
        repaired = dict(state)
        for name in modules:
            axis = _out(context.scratch.get_submodule(name))
            repaired |= _folded(repaired, name, axis, found[name], *targets[name])
        return repaired

    return apply


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


def _between(own: Sequence[ChannelStatistics], weights: Sequence[float]) -> tuple[Tensor, Tensor]:
    """Weighted mean of means and standard deviations (deviations, not variances, are averaged)."""
    return (
        _weighted([each.mean for each in own], weights),
        _weighted([each.variance.sqrt() for each in own], weights),
    )


def _weighted(values: Sequence[Tensor], weights: Sequence[float]) -> Tensor:
    """Their weighted mean, one after the other: exactly a value that all have."""
    mean, share = values[0], weights[0]
    for value, weight in zip(values[1:], weights[1:], strict=True):
        share += weight
        mean = torch.lerp(mean, value, weight / share if share else 0.0)
    return mean


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
