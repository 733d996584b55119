"""The norm in front of a head that is an embedding as well.

Such a head cannot be refitted: its tensor W is read where tokens enter, too. What can be is the
norm in front of it, if nothing else runs behind that. Its gain and bias get the changes g and b
with which the head comes closest to the parents' weighted mean M,

    |M - Y - W (g * Z + b)|^2 + ridge * g^2     Y: what the head says so far, Z: the norm's rows

where Z is what the norm makes with a gain of 1 and no bias. That is linear in g and b, and in the
head's inputs its normal equations are those of one output: W^T W * Z^T Z and the sums of
(W^T (M - Y)) * Z.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

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
from hubmerge.fuse.layerwise.rows import folds_of, sampled
from hubmerge.fuse.layerwise.targets import Targets
from hubmerge.fuse.layerwise.trace import LayerGroup, TracePoint, shared_modules
from hubmerge.models.method_context import MethodContext
from hubmerge.utils.hooks import removed
from hubmerge.utils.input_batches import first_rows

SAME = 1e-5
"""Relative error up to which a module counts as its gain times something, plus its bias."""


@dataclass(frozen=True)
class TiedHead:
    """A head whose tensor another module holds as well, and the norm whose output it reads."""

    norm: str
    head: str
    biased: bool

    @property
    def place(self) -> TracePoint:
        """Where the head's work shows."""
        return TracePoint(self.head, entering=False)


def tied_head(model: nn.Module, inputs: Mapping[str, Tensor]) -> TiedHead | None:
    """The tied head of `model`, if it is what runs last, right behind a norm; found on a probe."""
    ran: list[tuple[str, Tensor, Tensor]] = []

    def hook(name: str) -> Any:
        def keep(module: nn.Module, args: Any, kwargs: Any, output: Any) -> None:
            given = [value for value in (*args, *kwargs.values()) if isinstance(value, Tensor)]
            if given and isinstance(output, Tensor):
                ran.append((name, given[0], output))

        return keep

    leaves = {name: each for name, each in model.named_modules() if not any(each.children())}
    handles = [
        each.register_forward_hook(hook(name), with_kwargs=True) for name, each in leaves.items()
    ]
    with removed(handles), torch.inference_mode():
        model(**inputs)
    if len(ran) < 2:
        return None
    (norm, given, output), (head, read, _) = ran[-2:]
    gain, bias = leaves[norm]._parameters.get("weight"), leaves[norm]._parameters.get("bias")
    if head not in shared_modules(model) or not isinstance(leaves[head], nn.Linear):
        return None
    if gain is None or gain.shape != output.shape[-1:] or not torch.equal(output, read):
        return None
    again = plain(leaves[norm])(given) * gain + (0 if bias is None else bias)
    if (again - output).abs().max() > SAME * output.abs().max():
        return None
    return TiedHead(norm, head, bias is not None)


def plain(norm: nn.Module) -> nn.Module:
    """A copy of `norm` with a gain of 1 and no bias, without hooks."""
    still = copy.deepcopy(norm).requires_grad_(False)
    for name, value in still.named_parameters(recurse=False):
        value.fill_(0.0 if name == "bias" else 1.0)
    return still


def refitted_norm(
    tied: TiedHead,
    model: nn.Module,
    parents: Sequence[nn.Module],
    weights: Sequence[float],
    context: MethodContext,
) -> dict[str, Tensor]:
    """Gain and bias of the norm before a tied head; `model` holds what is merged so far."""
    norm = plain(model.get_submodule(tied.norm))
    matrix = model.get_submodule(tied.head).get_parameter("weight").detach()
    first = first_rows(context.batches)
    entering = TracePoint(tied.norm, entering=True)
    stage = (LayerGroup(tied.place, (), 0),)

    def one(number: int) -> dict[str, Tensor]:
        batch = context.batches[number]
        inputs = {name: value.to(context.workers.device) for name, value in batch.inputs.items()}
        images = first[number] + torch.arange(len(batch))
        total: dict[str, Tensor] = {}
        with torch.inference_mode():
            wanted, ours = targets.of(number, inputs), run(model, inputs, seen)
            missing = (wanted[tied.place] - ours[tied.place]) @ matrix
            rows = norm(ours[entering])
            x, r = (sampled(each.flatten(1, -2).unsqueeze(0), images) for each in (rows, missing))
            for fold, which in folds_of(images):
                given, left = (each[:, which].flatten(1, 2) for each in (x, r))
                total |= {f"{fold}:{key}": value for key, value in sums(given, left).items()}
        return total

    with (
        Targets(parents, weights, [stage], context).watched() as targets,
        observing(model, [entering, tied.place]) as seen,
    ):
        total = context.workers.sum(one, range(len(context.batches)), "least squares")
    folds = [
        {key[2:]: value for key, value in total.items() if key.startswith(f"{fold}:")}
        for fold in (0, 1)
    ]
    gain, bias = _solved(matrix.double().cpu(), [each for each in folds if each], tied.biased)
    found = {f"{tied.norm}.weight": gain}
    if bias is not None:
        found[f"{tied.norm}.bias"] = bias
    state = model.state_dict()
    return {
        name: (state[name].cpu().double() + value).to(state[name].dtype)
        for name, value in found.items()
    }


def _solved(
    matrix: Tensor, folds: Sequence[Mapping[str, Tensor]], biased: bool
) -> tuple[Tensor, Tensor | None]:
    """The changes of gain and bias, [n] each; the ridge is chosen on the second fold."""
    gram = matrix.T @ matrix

    def along(found: RegressionMoments) -> RegressionMoments:
        found = found if biased else found.about_zero
        return replace(found, xx=gram * found.xx, xr=found.xr.diagonal(dim1=-2, dim2=-1)[..., None])

    blocks = [len(gram)]
    ridge = chosen_ridge([along(moments([fold])) for fold in folds], blocks)
    whole = moments(folds)
    found = along(whole)
    gain = solve(found, ridge * scales(found, blocks)).flatten()
    if not biased:
        return gain, None
    shift = torch.linalg.pinv(gram, hermitian=True) @ whole.r.flatten()
    return gain, shift - gain * whole.x.flatten()
