"""Batch-norm re-estimation: give the merged weights running statistics of their own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.modules.batchnorm import _BatchNorm

from hubmerge.errors import RecipeError
from hubmerge.errors.wording import option
from hubmerge.models.batch_norm_rows import normalisable
from hubmerge.repair.registry import MethodContext, Repairer, repair
from hubmerge.repair.statistics import ChannelStatistics, between, channel_statistics
from hubmerge.symmetry.permutation import State


def batch_norms(model: nn.Module) -> list[str]:
    """Names of the batch-norm modules that keep running statistics."""
    return [
        name
        for name, module in model.named_modules()
        if isinstance(module, _BatchNorm) and module.track_running_stats
    ]


@repair(source="arXiv:2211.08403, section 4; arXiv:1803.05407, section 3")
def reestimate_batch_norm(context: MethodContext, parents: Sequence[State]) -> Repairer:
    """Running statistics re-estimated on calibration images, as the parents' ones stand to theirs.

    Every batch is normalised by its own statistics, as in training, so that one pass measures all
    layers behind already corrected ones. The parents are measured alike: a channel gets the running
    statistics behind which it has the mean and deviation that the parents have on average behind
    theirs. That is REPAIR for batch-norm models, and it leaves what all parents agree on alone.

    Raises: RecipeError, if the model has no batch norm, or one that cannot normalise the only row.
    """
    modules = batch_norms(context.scratch)
    if not modules:
        raise RecipeError(
            f"{option('repair', 'batchnorm')} re-estimates batch norms",
            found="the model has none that keep running statistics",
            hint=f"{option('repair', 'repair')} works on any family with a spec",
            field="repair",
        )
    context = replace(
        context, batches=normalisable(context.batches, context.scratch, "calibration")
    )

    eps = {name: float(context.scratch.get_submodule(name).eps) for name in modules}  # type: ignore[arg-type]

    def by_batch(module: nn.Module, given: Tensor, output: Tensor) -> Tensor:
        assert isinstance(module, _BatchNorm)
        return F.batch_norm(
            given, None, None, module.weight, module.bias, training=True, eps=module.eps
        )

    def measured(state: State) -> dict[str, ChannelStatistics]:
        return channel_statistics(
            context, state, modules, look_at_input=True, replace=dict.fromkeys(modules, by_batch)
        )

    own = [
        {name: _behind(found, state, name, eps[name]) for name, found in measured(state).items()}
        for state in parents
    ]

    def apply(state: State, weights: Sequence[float]) -> dict[str, Tensor]:
        repaired = dict(state)
        for name, found in measured(state).items():
            wanted = between([each[name] for each in own], weights)
            mean, variance = _running(found, *wanted, eps[name])
            repaired[f"{name}.running_mean"] = mean.to(state[f"{name}.running_mean"].dtype)
            repaired[f"{name}.running_var"] = variance.to(state[f"{name}.running_var"].dtype)
        return repaired

    return apply


def _behind(found: ChannelStatistics, state: State, name: str, eps: float) -> tuple[Tensor, Tensor]:
    """Mean and deviation of a parent's channels behind its norm, gain and shift aside.

    The norm's `eps` counts as variance on both sides, so that a constant channel has some.
    """
    mean, variance = (state[f"{name}.{key}"].double() for key in ("running_mean", "running_var"))
    scale = (variance + eps).sqrt()
    return (found.mean - mean) / scale, (found.variance + eps).sqrt() / scale


def _running(
    found: ChannelStatistics, mean: Tensor, deviation: Tensor, eps: float
) -> tuple[Tensor, Tensor]:
    """The running statistics behind which the channels have this mean and deviation."""
    scale = (found.variance + eps).sqrt() / deviation
    return found.mean - mean * scale, (scale.square() - eps).clamp_min(0)
