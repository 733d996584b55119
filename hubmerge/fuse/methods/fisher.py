"""Fisher merging: every weight counts in a model by how much its predictions depend on it."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from typing import Annotated

import torch
from torch import Tensor
from torch.func import functional_call, grad, vmap
from torch.nn import functional as F
from torch.nn.attention import SDPBackend, sdpa_kernel
from transformers import PreTrainedModel

from hubmerge.errors import RecipeError
from hubmerge.errors.wording import option
from hubmerge.fuse._draws import drawing
from hubmerge.fuse._mean import weighted_mean
from hubmerge.fuse.laws import ENDS, EXCHANGE, IDENTITY, PERMUTATIONS, UNITY
from hubmerge.fuse.options import Says
from hubmerge.fuse.registry import fusion
from hubmerge.models.method_context import MethodContext
from hubmerge.symmetry.permutation import State
from hubmerge.utils.hooks import placed
from hubmerge.utils.workers import PARTIAL_SUMS

FLOOR = 1e-6
"""Share of the mean Fisher information of all weights that each one has at least, so that what no
prediction depends on is averaged."""

CHUNK_BYTES = 2**25
"""Gradients of single examples that are kept at a time: 32 MiB. More take longer: memory that large
is asked of the system anew each time."""


@fusion(
    source="arXiv:2111.09832, section 3.1",
    laws=(IDENTITY, EXCHANGE, ENDS, UNITY, PERMUTATIONS),
    softmax=True,
)
def fisher(
    states: Sequence[State],
    weights: Sequence[float],
    *,
    context: MethodContext,
    seed: int,
    draws: Annotated[
        int, Says("classes drawn per row; 0 uses all, weighted by probability", 0)
    ] = 1,
) -> dict[str, Tensor]:
    """The mean of each weight, weighted by its diagonal Fisher information; on unlabelled rows.

    The information is the expected squared gradient of the log-likelihood under the model's own
    predictions, of every example by itself. All classes of a row give that expectation exactly;
    classes drawn from the predictions, in less time, give it on average. Running statistics are
    averaged.
    Raises: RecipeError without calibration batches.
    """
    merged = weighted_mean(states, weights)
    used = [n for n, weight in enumerate(weights) if weight]
    if len(used) == 1:
        return merged
    if not len(context.batches):
        raise RecipeError(
            f"{option('fuse', 'fisher')} needs calibration rows",
            found="none are left for it",
            field="fuse",
        )
    with context.workers.single_threaded_ops():
        known = [None if context.head is None else context.head.known[n] for n in used]
        found = [
            information(states[n], context, draws=draws, seed=seed, known=own)
            for n, own in zip(used, known, strict=True)
        ]
    least = FLOOR * _mean(found)
    for name in found[0]:
        own = torch.stack([each[name] for each in found])
        shares = torch.tensor([weights[n] for n in used], dtype=torch.float64)
        shares = shares.view(-1, *[1] * (own.ndim - 1))
        counts = shares * (own + least)
        values = torch.stack([states[n][name].double() for n in used])
        first, offsets = values[0], values - values[0]
        mean = first + (counts * offsets).sum(0) / counts.sum(0)
        merged[name] = mean.to(merged[name].dtype)
    return merged


def _mean(found: Sequence[State]) -> float:
    """Over all weights of all models; 1 if no prediction depends on any."""
    values = [value for each in found for value in each.values()]
    total = sum(float(value.sum()) for value in values)
    return total / sum(value.numel() for value in values) or 1.0


def information(
    state: State,
    context: MethodContext,
    *,
    draws: int = 0,
    seed: int = 0,
    known: Tensor | None = None,
) -> dict[str, Tensor]:
    """The diagonal of the Fisher information of every trained tensor, float64, per example.

       draws: as the fusion's option. known: bool [classes], those it predicts; None: all.
    Batch norms work with their running statistics.
    """
    model, workers = context.scratch, context.workers
    model.load_state_dict(dict(state))
    # Gradients are taken by putting tensors into a model: every lane has one of its own.
    lanes = [model.eval(), *(copy.deepcopy(model) for _ in range(PARTIAL_SUMS - 1))]

    def one(number: int) -> dict[str, Tensor]:
        batch = context.batches[number]
        inputs = {name: value.to(workers.device) for name, value in batch.inputs.items()}
        return {
            "": torch.tensor(float(len(batch)), dtype=torch.float64),
            **_squares(lanes[number % PARTIAL_SUMS], inputs, draws, f"{seed}:{number}", known),
        }

    # The fused kernels of attention know no gradients of single examples.
    with placed(workers.device, *lanes), sdpa_kernel(SDPBackend.MATH):
        sums = workers.sum(one, range(len(context.batches)), "Fisher information")
    count = sums.pop("")
    return {name: value / count for name, value in sums.items()}


def _squares(
    model: PreTrainedModel,
    inputs: Mapping[str, Tensor],
    draws: int,
    named: str,
    known: Tensor | None,
) -> dict[str, Tensor]:
    """Sum over rows of the expected squared gradient of each tensor."""
    trained = {n: p.detach() for n, p in model.named_parameters() if p.requires_grad}
    rest = {n: b.detach() for n, b in model.named_buffers()}

    def likelihood(tensors: State, row: dict[str, Tensor], label: Tensor) -> Tensor:
        given = {name: value.unsqueeze(0) for name, value in row.items()}
        said = _of(functional_call(model, {**tensors, **rest}, (), given).logits[0], known)
        return F.log_softmax(said, -1).gather(-1, label.unsqueeze(-1)).sum()

    with torch.no_grad():
        chances = _of(model(**inputs).logits, known).softmax(-1)
    labels, shares = _labels(chances, draws, named)
    rows = torch.arange(len(chances)).repeat_interleave(labels.shape[1])
    labels, shares = labels.flatten(0, 1), shares.flatten()
    size = sum(value.nbytes for value in trained.values())
    total = {n: torch.zeros(p.shape, dtype=torch.float64) for n, p in trained.items()}
    each = vmap(grad(likelihood), in_dims=(None, 0, 0))
    for part in torch.arange(len(rows)).split(max(1, CHUNK_BYTES // size)):
        given = {name: value[rows[part]] for name, value in inputs.items()}
        slopes = each(trained, given, labels[part])
        for name, slope in slopes.items():
            squares = slope.detach().square()
            total[name] += torch.tensordot(shares[part].to(squares), squares, 1).cpu()
    return total


def _of(logits: Tensor, known: Tensor | None) -> Tensor:
    return logits if known is None else logits[..., known.nonzero().flatten().to(logits.device)]


def _labels(chances: Tensor, draws: int, named: str) -> tuple[Tensor, Tensor]:
    """Labels to take the gradient for [rows, labels, ...], and what each counts, [rows, labels].

    chances: [rows, ..., classes]; of a language model, each label is a token for every place.
    Raises: RecipeError, if all labels of a language model are wanted.
    """
    rows, classes = len(chances), chances.shape[-1]
    if not draws and chances.ndim > 2:
        raise RecipeError(
            f"{option('fuse_options.draws', 0)} takes every possible class",
            found="a language model, which has one for every text",
            hint=f"{option('fuse_options.draws', 1)} or more",
            field="fuse_options",
        )
    if not draws:
        return torch.arange(classes, device=chances.device).expand(rows, -1), chances
    generator = drawing(named)
    each = chances.flatten(0, -2).cpu()
    drawn = torch.multinomial(each, draws, replacement=True, generator=generator)
    labels = drawn.unflatten(0, chances.shape[:-1]).movedim(-1, 1)
    return labels.to(chances.device), torch.full((rows, draws), 1 / draws, device=chances.device)
