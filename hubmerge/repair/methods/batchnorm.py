"""Batch-norm re-estimation: give the merged weights running statistics of their own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.modules.batchnorm import _BatchNorm

from hubmerge.errors import RecipeError
from hubmerge.errors.wording import option
from hubmerge.models.batch_norm_rows import normalisable
from hubmerge.repair.registry import MethodContext, Repairer, repair
from hubmerge.repair.statistics import Replace, channel_statistics
from hubmerge.symmetry.permutation import State
from hubmerge.utils.input_batches import is_synthetic


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

    Synthetic images excite other channels than real ones do. The parents say by how much: what
    their running statistics, which are those of real images, differ by from what synthetic images
    give in them, the merge's statistics are corrected by.

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
    synthetic = is_synthetic(context.batches)
    context = replace(
        context, batches=normalisable(context.batches, context.scratch, "calibration")
    )
    gaps = [_gaps(context, parent, modules) for parent in parents] if synthetic else []

    def apply(state: State, weights: Sequence[float]) -> dict[str, Tensor]:
        corrections = {
            name: _correction([each[name] for each in gaps], weights) if gaps else None
            for name in modules
        }
        by_batch = {name: _by_batch(correction) for name, correction in corrections.items()}
        found = channel_statistics(context, state, modules, look_at_input=True, replace=by_batch)
        repaired = dict(state)
        for name, statistics in found.items():
            mean, variance = statistics.mean, statistics.variance
            if (correction := corrections[name]) is not None:
                mean, variance = correction.of(mean, variance)
            for key, value in ((f"{name}.running_mean", mean), (f"{name}.running_var", variance)):
                repaired[key] = value.to(state[key].dtype)
        return repaired

    return apply


MOST = 16.0
"""By how much a variance is corrected at most: synthetic images show little of such a channel."""


@dataclass(frozen=True)
class Correction:
    """What turns statistics of synthetic images into those of real ones: float64 [channels]."""

    shift: Tensor
    scale: Tensor

    def of(self, mean: Tensor, variance: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and variance of real images."""
        return mean + self.shift.to(mean), variance * self.scale.to(variance)


@dataclass(frozen=True)
class _Gap:
    """A parent's running mean and variance, and those that synthetic images give in it."""

    mean: Tensor
    variance: Tensor
    seen_mean: Tensor
    seen_variance: Tensor


def _gaps(context: MethodContext, parent: State, modules: Sequence[str]) -> dict[str, _Gap]:
    seen = channel_statistics(context, parent, modules, look_at_input=True)
    return {
        name: _Gap(
            parent[f"{name}.running_mean"].double().cpu(),
            parent[f"{name}.running_var"].double().cpu(),
            statistics.mean,
            statistics.variance,
        )
        for name, statistics in seen.items()
    }


def _correction(gaps: Sequence[_Gap], weights: Sequence[float]) -> Correction:
    """Means are additive in what a channel sums up, variances in proportion."""
    shift = torch.zeros_like(gaps[0].mean)
    real, seen = shift.clone(), shift.clone()
    for gap, weight in zip(gaps, weights, strict=True):
        shift += weight * (gap.mean - gap.seen_mean)
        real += weight * gap.variance
        seen += weight * gap.seen_variance
    scale = torch.where((real > 0) & (seen > 0), real / seen, 1.0)
    return Correction(shift, scale.clamp(1 / MOST, MOST))


def _by_batch(correction: Correction | None) -> Replace:
    """A norm by the statistics of the batch, corrected if they are those of synthetic images."""

    def hook(module: nn.Module, given: Tensor, output: Tensor) -> Tensor:
        assert isinstance(module, _BatchNorm)
        if correction is None:
            return F.batch_norm(
                given, None, None, module.weight, module.bias, training=True, eps=module.eps
            )
        axes = [axis for axis in range(given.ndim) if axis != 1]
        variance, mean = torch.var_mean(given, axes)
        mean, variance = correction.of(mean, variance)
        return F.batch_norm(given, mean, variance, module.weight, module.bias, eps=module.eps)

    return hook
