"""RegMean: every layer is the regression to what each parent's layer makes of its own inputs."""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Sequence
from typing import Annotated

import torch
from torch import Tensor

from hubmerge.errors import RecipeError
from hubmerge.errors.wording import option
from hubmerge.fuse._mean import weighted_mean
from hubmerge.fuse.laws import ENDS, EXCHANGE, IDENTITY, PERMUTATIONS, ROTATIONS
from hubmerge.fuse.layerwise.normal_equations import RegressionMoments, scales, solve, sums
from hubmerge.fuse.layerwise.observe import observing, run
from hubmerge.fuse.layerwise.rows import sampled
from hubmerge.fuse.layerwise.trace import TracePoint, Writer, stages
from hubmerge.fuse.options import Says
from hubmerge.fuse.registry import fusion
from hubmerge.models.method_context import MethodContext
from hubmerge.symmetry.permutation import State
from hubmerge.utils.hooks import placed
from hubmerge.utils.input_batches import first_rows

PROBE = 2
"""Rows that are enough to see how the model is built."""

SUMS_BYTES = 2**30
"""Products that are summed in one pass over the rows: 1 GiB."""

Same = list[Writer]
"""Layers that make the same rows of the same input: query, key and value."""


@fusion(
    source="arXiv:2212.09849, section 3.2",
    laws=(IDENTITY, EXCHANGE, ENDS, PERMUTATIONS, ROTATIONS),
)
def regmean(
    states: Sequence[State],
    weights: Sequence[float],
    *,
    context: MethodContext,
    ridge: Annotated[
        float, Says("pull towards the average, by the inputs' mean square", 1e-9)
    ] = 0.1,
) -> dict[str, Tensor]:
    """Linear and convolution layers in closed form, on each parent's own inputs, without labels.

    Layer by layer the W for which sum_i w_i |X_i W - X_i W_i|^2 + ridge |W - average|^2 is least.
    Biases, norms and all else are averaged. Raises: RecipeError without calibration batches.
    """
    merged = weighted_mean(states, weights)
    used = [n for n, weight in enumerate(weights) if weight]
    if len(used) == 1:
        return merged
    if not len(context.batches):
        raise RecipeError(
            f"{option('fuse', 'regmean')} needs calibration rows",
            found="none are left for it",
            field="fuse",
        )
    model = context.scratch
    model.load_state_dict(merged)
    probe = {name: value[:PROBE] for name, value in context.batches[0].inputs.items()}
    with context.workers.single_threaded_ops():
        for window in _windows(_layers(stages(model.eval(), probe))):
            found = [_products(states[n], window, context) for n in used]
            for k, same in enumerate(window):
                products = [each[k] for each in found]
                for writer in same:
                    name = f"{writer.name}.weight"
                    own = [states[n][name] for n in used]
                    shares = [weights[n] for n in used]
                    merged[name] = _solved(writer, merged[name], own, shares, products, ridge)
    return merged


def _layers(plan: Sequence[Sequence]) -> list[Same]:
    """All layers, those together that read the same rows."""
    same: dict[Hashable, Same] = {}
    for stage in plan:
        for group in stage:
            for writer in group.writers:
                same.setdefault((writer.reads, writer.layer.reading), []).append(writer)
    return list(same.values())


def _windows(layers: Sequence[Same]) -> Iterator[list[Same]]:
    """Layers whose products fit into `SUMS_BYTES` together."""
    window: list[Same] = []
    room = SUMS_BYTES
    for same in layers:
        layer = same[0].layer
        size = layer.groups * layer.inputs**2 * torch.float64.itemsize
        if window and size > room:
            yield window
            window, room = [], SUMS_BYTES
        window.append(same)
        room -= size
    if window:
        yield window


def _products(state: State, window: Sequence[Same], context: MethodContext) -> list[Tensor]:
    """Mean product of a parent's own inputs about 0, float64 [groups, inputs, inputs] a layer."""
    model, workers = context.scratch, context.workers
    model.load_state_dict(dict(state))
    places = {k: TracePoint(same[0].name, entering=True) for k, same in enumerate(window)}
    first = first_rows(context.batches)

    def one(number: int) -> dict[str, Tensor]:
        batch = context.batches[number]
        inputs = {name: value.to(workers.device) for name, value in batch.inputs.items()}
        images = first[number] + torch.arange(len(batch))
        total: dict[str, Tensor] = {}
        with torch.inference_mode():
            seen = run(model, inputs, eyes)
            for k, same in enumerate(window):
                layer, given = same[0].layer, seen[places[k]]
                given = given.unflatten(0, (len(batch), -1)).flatten(0, 1)
                x = layer.rows(given).unflatten(1, (len(batch), -1)).flatten(2, 3)
                x = sampled(x, images).flatten(1, 2)
                found = sums(x, x[..., :0])
                total[f"{k}:n"], total[f"{k}:xx"] = found["n"], found["xx"]
        return total

    with placed(workers.device, model), observing(model, [*dict.fromkeys(places.values())]) as eyes:
        total = workers.sum(one, range(len(context.batches)), "products of inputs")
    return [total[f"{k}:xx"] / total[f"{k}:n"] for k in range(len(window))]


def _solved(
    writer: Writer,
    mean: Tensor,
    own: Sequence[Tensor],
    shares: Sequence[float],
    products: Sequence[Tensor],
    ridge: float,
) -> Tensor:
    """The weight of a layer: its average, corrected by the least-squares fit to all parents."""
    layer = writer.layer
    start = layer.matrix(mean).double()
    xx = torch.stack([w * p for w, p in zip(shares, products, strict=True)]).sum(0)
    xr = torch.stack(
        [
            w * p @ (layer.matrix(tensor).double() - start).mT
            for w, p, tensor in zip(shares, products, own, strict=True)
        ]
    ).sum(0)
    found = RegressionMoments(torch.ones(()), xx[..., 0], xr[..., 0], xx, xr)
    correction = solve(found, ridge * scales(found, [layer.inputs]))
    return layer.weight(start + correction).to(mean.dtype).contiguous()
