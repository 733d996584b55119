"""Refits the layers of a mean of models in forward order: what least squares by layer is made of.

Each layer is corrected where its work first shows (`hubmerge.fuse.layerwise.trace`): behind its
batch norm, or in the residual stream it writes to. There the parents' weighted mean M is known
(before a ReLU: what the ReLU turns into the mean of theirs, `hubmerge.fuse.layerwise.targets`), the
merged model's own value Y behind the layers already corrected is known, and the layer gets the D
that minimises

    |M - Y - D X|^2 + ridge * D^2        X: its own inputs, all images, all places

so that the ridge draws towards the mean. Of a head that is an embedding as well, the norm in front
of it is corrected instead (`hubmerge.fuse.layerwise.tied_norm`). No label is looked at. One pass
over the layers is all: with nothing changed above it, a layer corrected once is not corrected a
second time.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from torch import Tensor
from transformers import PreTrainedModel

from hubmerge.errors import RecipeError
from hubmerge.errors.wording import option
from hubmerge.fuse._mean import weighted_mean
from hubmerge.fuse.layerwise.depth import begun_before
from hubmerge.fuse.layerwise.fit import Fit, fitted
from hubmerge.fuse.layerwise.folding import Affine, as_held, folded, in_stock_form, mean_of, plainly
from hubmerge.fuse.layerwise.settled import SettledModules
from hubmerge.fuse.layerwise.targets import Targets, heard_by, windows
from hubmerge.fuse.layerwise.tied_norm import refitted_norm, tied_head
from hubmerge.fuse.layerwise.trace import LayerGroup, stages
from hubmerge.models.method_context import MethodContext
from hubmerge.models.states import in_dtypes_of, sharing_tensors
from hubmerge.symmetry.permutation import State
from hubmerge.utils.hooks import placed
from hubmerge.utils.input_batches import JoinedBatches
from hubmerge.utils.progress import track

BESIDE = 4
"""Models that are held beside the parents: their average, the merge, one that runs and layers that
are corrected."""

PROBE = 2
"""Images that are enough to see how the model is built."""


def refitted(
    states: Sequence[State],
    weights: Sequence[float],
    context: MethodContext,
    *,
    fusion: str,
    alone: float = 0.0,
) -> tuple[dict[str, Tensor], frozenset[str]]:
    """The mean of `states`, its layers refitted to what they do on average.

    weights: one per state, summing to 1. fusion: the name of the one that asks. alone: share of the
    layers, in forward order, that are those of the first model of any weight, as they are; all
    behind them, the last in any case, are mixed.
    Returns: the tensors, and the names of those that are left as the first model has them.
    Raises: ValueError as `weighted_mean` does; RecipeError without calibration batches.
    """
    merged = weighted_mean(states, weights)
    used = [number for number, weight in enumerate(weights) if weight]
    if len(used) == 1:
        return merged, frozenset()
    if not all(len(context.rows_of(n)) for n in used):
        raise RecipeError(
            f"{option('fuse', fusion)} needs calibration rows",
            found="none are left for it",
            hint=f"{option('fuse', 'average')} needs none",
            field="fuse",
        )
    with context.workers.single_threaded_ops():
        return _refitted(merged, states, weights, used, context, alone)


def _refitted(
    average: State,
    every: Sequence[State],
    shares: Sequence[float],
    used: Sequence[int],
    context: MethodContext,
    alone: float,
) -> tuple[dict[str, Tensor], frozenset[str]]:
    states, weights = [every[number] for number in used], [shares[number] for number in used]
    owners = None
    if context.tasks is not None:
        rows = JoinedBatches([context.rows_of(number) for number in used])
        context, owners = replace(context, batches=rows), rows.source_of
    heard = heard_by(weights, used, context)
    model = context.scratch
    model.load_state_dict(dict(average))
    probe = {name: value[:PROBE] for name, value in context.batches[0].inputs.items()}
    plan = stages(model.eval(), probe)
    ahead = max(0, min(round(alone * len(plan)), len(plan) - 1))
    plan = plan[ahead:]
    writers = [writer for stage in plan for group in stage for writer in group.writers]
    kept = frozenset[str]()
    if ahead:
        kept, lead = begun_before([writer.name for writer in writers], model, probe), states[0]
        average = {n: (lead[n].to(v, copy=True) if n in kept else v) for n, v in average.items()}
    maps = {w.name: mean_of([folded(state, w) for state in states], weights) for w in writers}
    merged = dict(average)
    for writer in writers:
        wanted = maps[writer.name]
        merged |= as_held(writer, average, wanted) or plainly(writer, average, wanted)
    parents = [_holding(model, state) for state in states]
    room = _room(average, len(states), context)
    settled, unfitted = SettledModules(model, probe, room), [writer.name for writer in writers]
    with placed(context.workers.device, model, *parents), track(len(plan), "least squares") as bar:
        for window in windows(plan, context, room):
            with Targets(parents, weights, window, context, heard, owners).watched() as targets:
                for stage in window:
                    model.load_state_dict(merged)
                    found = fitted(stage, model, targets, context, settled, unfitted)
                    for group, fit in found.items():
                        merged |= _corrected(average, group, fit, maps)
                        unfitted = [n for n in unfitted if n not in group.names]
                    bar.update(1)
        if (tied := tied_head(model, probe)) is not None:
            model.load_state_dict(merged)
            merged |= refitted_norm(tied, model, parents, weights, context)
    return merged, kept if used[0] == 0 else frozenset()


def _corrected(
    average: State, group: LayerGroup, fit: Fit, maps: dict[str, Affine]
) -> dict[str, Tensor]:
    """The tensors of `group` with what was fitted added to them; `maps` is brought up to date."""
    tensors: dict[str, Tensor] = {}
    shift: Tensor | None = fit.shift
    for writer, part in zip(group.writers, fit.parts, strict=True):
        before = maps[writer.name]
        bias = before.bias
        if bias is not None and shift is not None:  # what is missing on average is added once
            bias, shift = bias + shift, None
        wanted = Affine(before.matrix + part.correction, bias)
        maps[writer.name] = wanted
        tensors |= as_held(writer, average, wanted) or in_stock_form(
            writer, average, wanted, part.mean, part.covariance
        )
    return tensors


def _room(state: State, parents: int, context: MethodContext) -> int | None:
    """Bytes there are for targets, and as many for what settled modules gave; None without a limit.

    They are what is left beside the models, and none where nothing is: models run again then.
    """
    if context.workers.memory is None:
        return None
    whole = sum(value.nbytes for value in state.values())
    return max(0, context.workers.memory - (parents + BESIDE) * whole) // 2


def _holding(model: PreTrainedModel, state: State) -> PreTrainedModel:
    """A model that holds the very tensors of `state`, as far as they are laid out as its own."""
    holder = sharing_tensors(model)
    own = in_dtypes_of(state, model.state_dict())
    holder.load_state_dict(
        {n: value.detach().contiguous() for n, value in own.items()}, assign=True
    )
    return holder
