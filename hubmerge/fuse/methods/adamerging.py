"""AdaMerging: a coefficient for every layer of every task, learned without labels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated

import torch
from torch import Tensor
from torch.nn import functional as F

from hubmerge.errors import RecipeError
from hubmerge.errors.wording import option
from hubmerge.fuse._running_statistics import is_statistic
from hubmerge.fuse._task_vectors import onto
from hubmerge.fuse.laws import EXCHANGE, PERMUTATIONS
from hubmerge.fuse.options import Says
from hubmerge.fuse.registry import fusion
from hubmerge.models.method_context import MethodContext
from hubmerge.symmetry.permutation import State
from hubmerge.training.adam import Adam
from hubmerge.training.midpoint_loss import Midpoint
from hubmerge.utils.input_batches import InputBatches
from hubmerge.utils.progress import track

ROWS = 16
"""Rows of a task that a step looks at (the authors' batches)."""

Coefficients = Mapping[str, Tensor]
"""Name of a tensor -> the coefficient of each model's task vector there, float64 [models]."""


@fusion(
    source="arXiv:2310.02575, section 3.2",
    laws=(EXCHANGE, PERMUTATIONS),
    weighs=False,
    softmax=True,
)
def adamerging(
    states: Sequence[State],
    weights: Sequence[float],
    *,
    context: MethodContext,
    base: State,
    iterations: Annotated[int, Says("steps of Adam", 0)] = 500,
    rate: Annotated[float, Says("learning rate", 0)] = 1e-3,
    start: Annotated[float, Says("coefficient of each task vector before the first step")] = 0.3,
) -> dict[str, Tensor]:
    """Task arithmetic with coefficients that make predictions certain: least entropy, no labels.

    One coefficient for each tensor of each model. A step looks at 16 rows of every task, or at 16
    rows where all parents have the same. Raises: RecipeError without calibration batches.
    """
    count = len(states)
    if not all(len(context.rows_of(n)) for n in range(count)):
        raise RecipeError(
            f"{option('fuse', 'adamerging')} needs calibration rows",
            found="none are left for it",
            field="fuse",
        )
    shared = _shared_names(context, base)
    first = dict.fromkeys(shared.values(), torch.full((count,), start, dtype=torch.float64))
    adam = Adam.at(first)
    whole = _Mixture(states, base, shared, context)
    rates = dict.fromkeys(adam.parameters, rate)
    with context.workers.single_threaded_ops(), track(iterations, "AdaMerging", "step") as bar:
        for step in range(iterations):
            adam = adam.step(whole.slopes(adam.parameters, step), rates)
            bar.update(1)

    def combine(name: str, deltas: Tensor, shares: Tensor) -> Tensor:
        if name not in shared:
            return (shares * deltas).sum(0)
        own = adam.parameters[shared[name]].to(deltas.dtype)
        return torch.tensordot(own, deltas, 1)

    return onto(base, states, [1 / count] * count, combine)


class _Mixture:
    """The base with task vectors in some proportion, and how its entropy changes with them."""

    def __init__(
        self, states: Sequence[State], base: State, names: Mapping[str, str], context: MethodContext
    ) -> None:
        """names: of what is mixed -> the first name of that tensor."""
        self._states, self._names, self._context = states, names, context
        self._base = {name: value.float() for name, value in base.items() if name in names}
        self._deltas = {
            name: torch.stack([state[name].float() - start for state in states])
            for name, start in self._base.items()
        }
        self._midpoint = Midpoint(context.scratch, context.workers, entropy)

    def slopes(self, coefficients: Coefficients, step: int) -> dict[str, Tensor]:
        """Of the entropy, summed over tasks, by the coefficients, on the rows of a step."""
        mixed = {
            name: start + torch.tensordot(coefficients[self._names[name]].float(), delta, 1)
            for (name, start), delta in zip(self._base.items(), self._deltas.values(), strict=True)
        }
        found = {name: torch.zeros_like(value) for name, value in coefficients.items()}
        tasks = range(len(self._states)) if self._context.tasks else range(1)
        for task in tasks:
            inputs = _rows(self._context.rows_of(task), step)
            state = {name: _single(value) for name, value in self._states[task].items()} | mixed
            slope = self._midpoint.slope(state, inputs, _counted(inputs)).gradient
            for name, delta in self._deltas.items():
                if name in slope:
                    own = (delta * slope[name]).flatten(1).sum(1, dtype=torch.float64)
                    found[self._names[name]] += own
        return found


def entropy(logits: Tensor, counted: Tensor) -> Tensor:
    """Of predictions, in nats, summed over rows; of tokens the mean over those that count.

    logits: [rows, ..., classes]. counted: 1 for each prediction that counts, else 0; where these
    are no flags of predictions, all count.
    """
    logs = F.log_softmax(logits, -1)
    each = -(logs.exp() * logs).sum(-1)
    flags = counted if counted.shape == each.shape else torch.ones_like(each)
    each, flags = each.view(len(each), -1), flags.view(len(each), -1)
    return ((each * flags).sum(1) / flags.sum(1).clamp_min(1)).sum()


def _shared_names(context: MethodContext, base: State) -> dict[str, str]:
    """The tensors that are mixed, each with the first of its names in the model."""
    kept = context.tasks.heads if context.tasks else frozenset()
    first: dict[int, str] = {}
    return {
        name: first.setdefault(id(parameter), name)
        for name, parameter in context.scratch.named_parameters(remove_duplicate=False)
        if name in base and name not in kept and not is_statistic(name)
    }


def _rows(batches: InputBatches, step: int) -> dict[str, Tensor]:
    """The inputs of a step: the next rows of the next batch."""
    batch = batches[step % len(batches)]
    size = len(batch)
    begin = (step // len(batches) * ROWS) % size
    chosen = [row % size for row in range(begin, begin + min(ROWS, size))]
    return {name: value[chosen] for name, value in batch.inputs.items()}


def _counted(inputs: Mapping[str, Tensor]) -> Tensor:
    """Which tokens are no padding; 1 for every row of what is no text."""
    mask = inputs.get("attention_mask")
    return torch.ones(len(next(iter(inputs.values())))) if mask is None else mask.float()


def _single(value: Tensor) -> Tensor:
    return value.float() if value.is_floating_point() else value
