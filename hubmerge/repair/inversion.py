"""Synthetic images, changed until the parents see in them what they saw when they were trained.

The running statistics of a batch norm say what its channels did on the images a model was trained
on. Dead leaves excite other channels. So their pixels go down the gradient of how far the parents'
statistics on them are from those: arXiv:1912.08795, section 3.2, equation 4, from dead leaves
instead of noise, without classes, on the relative distance of each channel.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.utils.flop_counter import FlopCounterMode
from transformers import PreTrainedModel

from hubmerge.data.batches import Batches
from hubmerge.models.states import with_state
from hubmerge.repair.methods.batchnorm import batch_norms
from hubmerge.symmetry.permutation import State
from hubmerge.training.adam import Adam
from hubmerge.utils.hooks import Hook, ThreadValues, leaving, placed
from hubmerge.utils.workers import Workers

STEPS = 20
"""Steps of the pixels, the parents taking turns."""

RATE = 0.1
"""How far a first step moves a pixel, in standard deviations of all; it falls to nothing."""

IMAGES = 200
"""Images that are changed, at most."""

ROWS = 50
"""Images whose statistics are taken together."""

OPERATIONS = 2e13
"""Floating-point operations that all of it may take: some minutes of two cores."""

PASSES = 3
"""Forward passes that a step costs: one, and twice as much back."""

SPREAD = 0.25
"""What the logarithm of a variance weighs against a mean, which is in deviations."""


@dataclass(frozen=True)
class _Wanted:
    """A norm's running mean and variance, float32 [channels]."""

    mean: Tensor
    variance: Tensor
    eps: float

    def apart(self, given: Tensor) -> Tensor:
        """How far the statistics of `given` are from these, mean over channels."""
        axes = [axis for axis in range(given.ndim) if axis != 1]
        variance, mean = torch.var_mean(given, axes, correction=0)
        known = self.variance + self.eps
        off = (mean - self.mean).square() / known
        ratio = ((variance + self.eps) / known).log().square()
        return (off + SPREAD * ratio).mean()


def as_trained(
    batches: Batches, model: PreTrainedModel, parents: Sequence[State], workers: Workers
) -> Batches:
    """The first of the synthetic images in `batches`, as the parents were trained on their like.

    model: with batch norms; may be overwritten. parents: its tensors in each. Where so much as
    `ROWS` images would take more than `OPERATIONS`, they are left as they are. The same bytes on
    any number of processes. Called by all of them alike.
    Source: arXiv:1912.08795, section 3.2.
    """
    model = copy.deepcopy(model).float().eval().requires_grad_(False)
    name, norms = model.main_input_name, batch_norms(model)
    rows = min(batches.rows, IMAGES, int(OPERATIONS // _operations(model, batches)))
    if rows < min(ROWS, batches.rows):
        return batches
    given = batches.first(rows)
    inputs = [given[number].inputs for number in range(len(given))]
    every = {key: torch.cat([each[key] for each in inputs]) for key in inputs[0]}
    seeing = [with_state(model, state) for state in parents]
    wanted = [_wanted(each, norms, workers.device) for each in seeing]
    rate = RATE * float(every[name].std())

    seen = ThreadValues()

    def looks(number: int) -> dict[str, Hook]:
        def look(norm: str) -> Hook:
            def hook(module: nn.Module, given: Tensor, output: Tensor) -> None:
                seen.values[norm] = wanted[number][norm].apart(given)

            return hook

        return {norm: look(norm) for norm in norms}

    def changed(part: Tensor) -> Tensor:
        images = {key: value[part].to(workers.device) for key, value in every.items()}
        adam = Adam.at({name: images[name]})
        for step in range(STEPS):
            turn = step % len(seeing)
            pixels = adam.parameters[name].detach().requires_grad_()
            with torch.enable_grad():
                seeing[turn](**(images | {name: pixels}))
                (slope,) = torch.autograd.grad(sum(seen.take().values()), pixels)
            adam = adam.step({name: slope}, {name: rate * (1 - step / STEPS)})
        return adam.parameters[name].detach().cpu()

    with placed(workers.device, *seeing), ExitStack() as stack:
        for number, each in enumerate(seeing):
            stack.enter_context(leaving(each, looks(number)))
        parts = [part for part in torch.arange(rows).split(ROWS) if len(part) > 1]
        pixels = torch.cat(workers.map(changed, parts, "synthetic images"))
    every[name] = pixels
    kept = {key: value[: len(pixels)] for key, value in every.items()}

    def read(numbers: Sequence[int]) -> dict[str, Tensor]:
        return {key: value[list(numbers)] for key, value in kept.items()}

    return replace(given, read=read, indices=tuple(range(len(pixels))))


def _wanted(
    model: PreTrainedModel, norms: Sequence[str], device: torch.device
) -> dict[str, _Wanted]:
    found = {}
    for name in norms:
        norm = model.get_submodule(name)
        assert isinstance(norm, _BatchNorm)
        assert norm.running_mean is not None
        assert norm.running_var is not None
        mean, variance = norm.running_mean.clone(), norm.running_var.clone()
        found[name] = _Wanted(mean.to(device), variance.to(device), norm.eps)
    return found


def _operations(model: PreTrainedModel, batches: Batches) -> float:
    """What changing one image costs."""
    inputs = {k: v[:1] for k, v in batches.first(1)[0].inputs.items()}
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        model(**inputs)
    return max(1.0, float(counter.get_total_flops())) * PASSES * STEPS
