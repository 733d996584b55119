"""The loss of a model between the parents, and its gradient: computed in lanes, summed in order.

A step's rows are split into as many parts as `Workers` has lanes, each part on a copy of the model
of its own, so that the gradient has the same bits on one thread or many, one process or many.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import reduce

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from transformers import PreTrainedModel

from hubmerge.models.batch_norm_rows import join_batches, sees_one_value
from hubmerge.symmetry.permutation import State
from hubmerge.training.augmentation import rows_of
from hubmerge.training.precision import single
from hubmerge.training.targets import loss, mean_prediction
from hubmerge.utils.input_batches import InputBatches
from hubmerge.utils.workers import PARTIAL_SUMS, Workers

Measure = Callable[[Tensor, Tensor], Tensor]
"""Logits and what is wanted of each row -> their loss, summed over rows."""

LOSS = ""
"""Stands for the loss among the names of tensors."""


@dataclass(frozen=True)
class Slope:
    """Mean loss over the rows of a step, and its gradient with respect to the model's tensors."""

    loss: float
    gradient: dict[str, Tensor]


class Midpoint:
    """Runs any tensors in the shape of `model`; what it holds itself does not matter.

    Batch norms normalise by the rows at hand, as in training: running statistics of a point between
    two models belong to neither. Rows that they cannot normalise one by one stay together.
    """

    def __init__(self, model: PreTrainedModel, workers: Workers, measure: Measure = loss) -> None:
        """Takes copies of `model`. measure: what is to be small, of logits and what is wanted."""
        self.workers, self._measure = workers, measure
        self.models = [_by_batch(copy.deepcopy(model).float()) for _ in range(PARTIAL_SUMS)]
        self._learned = [name for name, _ in model.named_parameters(remove_duplicate=False)]
        self._buffers = {name for name, _ in model.named_buffers()}
        for lane in self.models:
            nn.Module.to(lane, workers.device)

    def slope(self, state: State, inputs: Mapping[str, Tensor], wanted: Tensor) -> Slope:
        """At `state`, on rows of which each has something that is `wanted` of it."""
        here = self._here(state)
        rows, lanes = len(wanted), PARTIAL_SUMS
        if rows < 2 * PARTIAL_SUMS and sees_one_value(self.models[0], inputs):
            lanes = max(1, rows // 2)
        parts = [part for part in torch.arange(rows).tensor_split(lanes) if len(part)]

        def lane(number: int) -> dict[str, Tensor]:
            leaves = {name: here[name].detach().requires_grad_() for name in self._learned}
            with torch.enable_grad():
                given = rows_of(inputs, parts[number])
                value = self._loss(number, here, leaves, given, wanted[parts[number]])
                value = value / len(wanted)
                found = torch.autograd.grad(value, list(leaves.values()), allow_unused=True)
            slopes = zip(leaves, found, strict=True)
            gradient = {name: slope.cpu() for name, slope in slopes if slope is not None}
            return {LOSS: value.detach().double().cpu(), **gradient}

        sums = _added(self.workers.map(lane, range(len(parts))))
        return Slope(float(sums.pop(LOSS)), sums)

    def loss(self, state: State, batches: InputBatches, wanted: Mapping[int, Tensor]) -> float:
        """Mean over the rows of the batches numbered in `wanted`."""
        here, groups = self._here(state), self._groups(batches, wanted)

        def lane(number: int) -> float:
            total = 0.0
            with torch.no_grad():
                for group in groups[number::PARTIAL_SUMS]:
                    inputs = reduce(join_batches, [batches[one] for one in group]).inputs
                    right = torch.cat([wanted[one] for one in group])
                    total += float(self._loss(number, here, {}, inputs, right).double())
            return total

        totals = self.workers.map(lane, range(PARTIAL_SUMS))
        return sum(totals) / sum(len(value) for value in wanted.values())

    def _groups(self, batches: InputBatches, wanted: Mapping[int, Tensor]) -> list[list[int]]:
        """Numbers of batches, grouped as they are run."""
        *groups, last = [[number] for number in sorted(wanted)]
        alone = len(wanted[last[0]]) == 1
        if groups and alone and sees_one_value(self.models[0], batches[last[0]].inputs):
            return [*groups[:-1], groups[-1] + last]
        return [*groups, last]

    def _here(self, state: State) -> dict[str, Tensor]:
        return {name: value.detach().to(self.workers.device) for name, value in state.items()}

    def _loss(
        self,
        lane: int,
        state: State,
        leaves: State,
        inputs: Mapping[str, Tensor],
        wanted: Tensor,
    ) -> Tensor:
        """Summed over the rows. Batch norms write into their buffers: into copies of `state`'s."""
        device = self.workers.device
        buffers = {name: value.clone() for name, value in state.items() if name in self._buffers}
        tensors = {**state, **buffers, **leaves}
        given = {name: value.to(device) for name, value in single(inputs).items()}
        call = torch.func.functional_call
        logits = call(self.models[lane], tensors, (), given, tie_weights=False).logits
        return self._measure(logits, wanted.to(device))


class ParentModels:
    """Models that are asked for their mean prediction."""

    def __init__(self, model: PreTrainedModel, states: Sequence[State], workers: Workers) -> None:
        """The `states` in copies of `model`."""
        self.workers = workers
        self.models = []
        for state in states:
            holder = copy.deepcopy(model)
            holder.load_state_dict(dict(state))
            self.models.append(nn.Module.to(holder.float().eval(), workers.device))

    def say(self, inputs: Mapping[str, Tensor]) -> Tensor:
        """float32 [rows, classes]."""
        given = {name: value.to(self.workers.device) for name, value in single(inputs).items()}

        def one(number: int) -> Tensor:
            with torch.no_grad():
                return self.models[number](**given).logits.cpu()

        return mean_prediction(*self.workers.map(one, range(len(self.models))))


def _by_batch(model: PreTrainedModel) -> PreTrainedModel:
    model.eval()
    for module in model.modules():
        if isinstance(module, _BatchNorm):
            module.train()
    return model


def _added(parts: list[dict[str, Tensor]]) -> dict[str, Tensor]:
    total = parts[0]
    for part in parts[1:]:
        total = {name: total[name] + part[name] for name in total}
    return total
