"""What layers read in a parent: products of their inputs, summed over rows of its task."""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Sequence

import torch
from torch import Tensor

from hubmerge.fuse.layerwise.normal_equations import RegressionMoments, scales, solve, sums
from hubmerge.fuse.layerwise.observe import observing, run
from hubmerge.fuse.layerwise.rows import sampled
from hubmerge.fuse.layerwise.trace import TracePoint, Writer, stages
from hubmerge.models.method_context import MethodContext
from hubmerge.symmetry.permutation import State
from hubmerge.utils.hooks import placed
from hubmerge.utils.input_batches import InputBatches, first_rows

PROBE = 2
"""Rows that are enough to see how the model is built."""

SUMS_BYTES = 2**30
"""Products that are summed in one pass over the rows: 1 GiB."""

Same = list[Writer]
"""Layers that make the same rows of the same input: query, key and value."""


def layers_of(state: State, rows: InputBatches, context: MethodContext) -> list[Same]:
    """All layers of the context's model, those together that read the same rows.

    state: its tensors. rows: of which the first few say how the model is built.
    """
    model = context.scratch
    model.load_state_dict(dict(state))
    probe = {name: value[:PROBE] for name, value in rows[0].inputs.items()}
    same: dict[Hashable, Same] = {}
    for stage in stages(model.eval(), probe):
        for group in stage:
            for writer in group.writers:
                same.setdefault((writer.reads, writer.layer.reading), []).append(writer)
    return list(same.values())


def in_windows(layers: Sequence[Same]) -> Iterator[list[Same]]:
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


def input_products(
    state: State, window: Sequence[Same], rows: InputBatches, context: MethodContext
) -> list[Tensor]:
    """Mean product of the inputs about 0 in a model, float64 [groups, inputs, inputs] a layer."""
    model, workers = context.scratch, context.workers
    model.load_state_dict(dict(state))
    places = {k: TracePoint(same[0].name, entering=True) for k, same in enumerate(window)}
    first = first_rows(rows)

    def one(number: int) -> dict[str, Tensor]:
        batch = rows[number]
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
        total = workers.sum(one, range(len(rows)), "products of inputs")
    return [total[f"{k}:xx"] / total[f"{k}:n"] for k in range(len(window))]


def regressed(
    writer: Writer,
    mean: Tensor,
    own: Sequence[Tensor],
    shares: Sequence[float],
    products: Sequence[Tensor],
    ridge: float,
) -> Tensor:
    """The weight of a layer: its average, corrected by the least-squares fit to all parents.

    mean: the average. own: of each parent. shares: what each weighs. products: of its inputs.
    """
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
