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
from hubmerge.repair.statistics import channel_statistics
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
    """Running means and variances re-estimated on calibration images.

    Every batch is normalised by its own statistics, as in training, so that one pass measures all
    layers behind already corrected ones. With gain and shift averaged, this sets every channel's
    mean and deviation behind the norm to the averaged parents': REPAIR for batch-norm models.

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

    def by_batch(module: nn.Module, given: Tensor, output: Tensor) -> Tensor:
        assert isinstance(module, _BatchNorm)
        return F.batch_norm(
            given, None, None, module.weight, module.bias, training=True, eps=module.eps
        )

    def apply(state: State, weights: Sequence[float]) -> dict[str, Tensor]:
        found = channel_statistics(
            context, state, modules, look_at_input=True, replace=dict.fromkeys(modules, by_batch)
        )
        repaired = dict(state)
        for name, statistics in found.items():
            for key, value in (
                (f"{name}.running_mean", statistics.mean),
                (f"{name}.running_var", statistics.variance),
            ):
                repaired[key] = value.to(state[key].dtype)
        return repaired

    return apply
