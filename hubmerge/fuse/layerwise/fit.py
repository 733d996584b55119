"""Fitting the layers of one stage: sums over batches, then one solution for every group."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from hubmerge.fuse.layerwise.normal_equations import (
    RegressionMoments,
    chosen_ridge,
    moments,
    scales,
    solve,
    sums,
)
from hubmerge.fuse.layerwise.observe import observing, run
from hubmerge.fuse.layerwise.rows import System, rows, systems
from hubmerge.fuse.layerwise.settled import SettledModules
from hubmerge.fuse.layerwise.targets import Targets
from hubmerge.fuse.layerwise.trace import LayerGroup, Stage, TracePoint
from hubmerge.models.method_context import MethodContext
from hubmerge.utils.input_batches import first_rows


@dataclass(frozen=True)
class FitPart:
    """What was fitted for one layer, [groups, outputs, inputs], and what its rows are like.

    mean, covariance: of the rows, [groups, inputs] and [groups, inputs, inputs].
    """

    correction: Tensor
    mean: Tensor
    covariance: Tensor


@dataclass(frozen=True)
class Fit:
    """What was fitted for a group: a part for each of its layers, and a shift of the outputs.

    shift: None if no layer of the group has a bias to carry it.
    """

    parts: tuple[FitPart, ...]
    shift: Tensor | None


def fitted(
    stage: Stage,
    model: nn.Module,
    targets: Targets,
    context: MethodContext,
    settled: SettledModules,
    unfitted: Collection[str],
) -> dict[LayerGroup, Fit]:
    """What has to be added to each layer of `stage`; `model` holds what is merged so far.

    settled: what is kept of earlier passes over the batches. unfitted: the layers of this stage and
    of all behind it.
    """
    same = systems(stage)
    reads = {w.reads: TracePoint(w.name, entering=True) for group in stage for w in group.writers}
    places = [*(group.place for group in stage), *reads.values()]
    first = first_rows(context.batches)
    most = first[-1] + len(context.batches[len(first) - 1])

    def one(number: int) -> dict[str, Tensor]:
        batch = context.batches[number]
        inputs = {name: value.to(context.workers.device) for name, value in batch.inputs.items()}
        images = first[number] + torch.arange(len(batch))
        total: dict[str, Tensor] = {}
        with torch.inference_mode(), settled.batch(number):
            wanted, ours = targets.of(number, inputs), run(model, inputs, seen)
            missing = {group.place: wanted[group.place] - ours[group.place] for group in stage}
            for k, system in enumerate(same):
                given = [ours[reads[writer.reads]] for writer in system.groups[0].writers]
                for fold, x, r in rows(system, images, given, missing, most):
                    for key, value in sums(x, r).items():
                        name = f"{k}:{fold}:{key}"
                        total[name] = total[name] + value if name in total else value
        return total

    with settled.reused(unfitted), observing(model, places) as seen:
        total = context.workers.sum(one, range(len(context.batches)), "least squares")
    jobs = [(k, number) for k, system in enumerate(same) for number in range(len(system.groups))]

    def solved(job: tuple[int, int]) -> Fit:
        k, number = job
        return _solved(same[k], number, [_named(total, f"{k}:{fold}:") for fold in (0, 1)])

    fits = context.workers.map(solved, jobs, "least squares")
    return {same[k].groups[number]: fit for (k, number), fit in zip(jobs, fits, strict=True)}


def _named(total: dict[str, Tensor], head: str) -> dict[str, Tensor]:
    return {name[len(head) :]: value for name, value in total.items() if name.startswith(head)}


def _solved(system: System, number: int, folds: Sequence[dict[str, Tensor]]) -> Fit:
    """The fit of one group; the ridge is chosen on the second fold, if there is one."""
    group, blocks, outputs = system.groups[number], system.blocks, system.outputs
    before = sum(outputs[:number])
    biased = any(writer.biased for writer in group.writers)
    folds = [fold for fold in folds if fold]

    def own(found: RegressionMoments) -> RegressionMoments:
        found = found.outputs(before, before + outputs[number])
        return found if biased else found.about_zero

    ridge = chosen_ridge([own(moments([fold])) for fold in folds], blocks)
    whole = moments(folds)
    found = own(whole)
    correction = solve(found, ridge * scales(found, blocks))
    covariance = whole.xx * (whole.count / (whole.count - 1).clamp_min(1))
    parts, start = [], 0
    for size in blocks:
        of = slice(start, start + size)
        parts.append(FitPart(correction[..., of], whole.x[..., of], covariance[..., of, of]))
        start += size
    shift = found.r - (correction @ found.x.unsqueeze(-1)).squeeze(-1)
    return Fit(tuple(parts), shift.flatten() if biased else None)
