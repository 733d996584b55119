"""Distillation: a network learns what the parents say together, on rows without labels.

arXiv:1503.02531, section 2, with the parents' mean as the teacher: the loss is the divergence of
the network's softened prediction from the mean of theirs. No label is looked at.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise

from torch import Tensor
from torch.nn.modules.batchnorm import _BatchNorm
from transformers import PreTrainedModel

from hubmerge.models.method_context import MethodContext
from hubmerge.models.states import in_dtypes_of
from hubmerge.recipe import REFINE_STEPS
from hubmerge.refine.result import Refined
from hubmerge.symmetry.permutation import State
from hubmerge.training.batch_sampler import BatchSampler
from hubmerge.training.midpoint_loss import Midpoint, ParentModels
from hubmerge.training.precision import single
from hubmerge.training.schedule import LRSchedule
from hubmerge.training.trainer import learn
from hubmerge.training.work_name import work_name

RATES = (1e-2, 1e-3)
"""Shares of its own size, root mean square, by which a step moves a tensor at full rate: each alike
for embeddings, kernels and norms of every width (arXiv:1804.04235, section 8). Networks that start
far from the mean of the parents need the first; those that start near it are thrown back by it, and
have the second.
"""
LEAST_SIZE = 1e-3
"""Size that a tensor counts as having at least: biases of nothing have to move as well."""
ROWS = 50
"""Rows of one step: half a batch."""

WHOLE = 1.0
"""The weight at which the network that learns is run: it is no mixture."""


def distill(
    start: State,
    parents: Sequence[State],
    context: MethodContext,
    *,
    steps: int = REFINE_STEPS,
    rates: Sequence[float] = RATES,
    seed: int = 0,
    sampler: BatchSampler | None = None,
    look: Callable[[State], float] | None = None,
) -> Refined:
    """Teaches the network `start` the mean of the parents' softened predictions, label-free.

    Learns on the calibration rows of `context`, images as they are in one epoch, mirrored and
    shifted in the next, and in both blended with one another, unless batch norms normalise by
    them. It learns once at every rate, in as many of the steps, the rate falling in a straight line
    to nothing; validation rows say which step of a course is kept, that which the course began with
    being the first candidate, and the next course begins there. Batch norms normalise by the rows
    at hand, so that their running statistics, which stay those of the start, have to be measured
    anew. Unfinished work is kept in the context's checkpoint store and continued. Called by all
    processes alike.

    start: tensors of `context.scratch`. parents: tensors of the same model, their classes in the
    same order. steps: that are taken, by all courses together. rates: of the courses, shares of
    its size by which a step moves a tensor at full rate. seed: of the order of rows and of the
    views of images. sampler: what `lessons` made of the same parents, context and seed, which
    remembers what parents said; None: another. look: what of a network has to become less on
    validation rows, of its tensors; None: the divergence from the parents' mean.
    Returns: Refined, in the dtypes of `start`.
    Raises: RecipeError without calibration or validation rows.
    Source: arXiv:1503.02531, section 2.
    """
    sampler = sampler or lessons(parents, context, seed)
    midpoint, said = Midpoint(context.scratch, context.workers), sampler.held_out()

    def divergence(state: State) -> float:
        return midpoint.loss(single(state), context.validation, said)

    kept, best, taken, best_step, outcomes = dict(start), math.inf, 0, 0, []
    for rate, share in zip(rates, _shared(steps, len(rates)), strict=True):
        network = _Parameters(context.scratch, kept, rate)
        words = ("distill", str(share), str(rate), str(ROWS), str(seed), str(look is None))
        learnt = learn(
            network,
            single(kept),
            sampler,
            context,
            steps=share,
            seed=seed,
            point=WHOLE,
            schedule=LRSchedule.straight(share),
            name=work_name(words, (kept, *parents), context),
            look=look or divergence,
        )
        if learnt.best_step and learnt.best_loss < best:
            best, best_step = learnt.best_loss, taken + learnt.best_step
            kept = dict(kept) | in_dtypes_of(network.moved(learnt.parameters), start)
        taken += learnt.steps
        outcomes.append(f"at rate {rate:g}: {learnt.outcome}")
    return Refined(
        state=kept,
        divergence_before=divergence(start),
        divergence_after=divergence(kept),
        steps=taken,
        best_step=best_step,
        outcome="; ".join(outcomes),
    )


def _shared(steps: int, courses: int) -> list[int]:
    """Steps of each course: as equal as they can be."""
    ends = [steps * number // courses for number in range(courses + 1)]
    return [end - start for start, end in pairwise(ends)]


def lessons(parents: Sequence[State], context: MethodContext, seed: int) -> BatchSampler:
    """The rows in the order in which `distill` sees them, and what the parents say of each.

    Raises: RecipeError without calibration or validation rows.
    """
    teachers = ParentModels(context.scratch, parents, context.workers)
    blended = blends(context.scratch)
    return BatchSampler(context, teachers, seed, unmoved=True, blended=blended, rows=ROWS)


def blends(model: PreTrainedModel) -> bool:
    """Whether images are blended with one another, about which parents have to be asked each time.

    Not where batch norms normalise by them: statistics of blends are not those of images.
    """
    return not any(isinstance(module, _BatchNorm) for module in model.modules())


def sizes(model: PreTrainedModel, state: State) -> dict[str, float]:
    """Parameter of `model` -> its root mean square in `state`, `LEAST_SIZE` at least."""
    squares = {name: state[name].double().square().mean() for name, _ in model.named_parameters()}
    return {name: max(LEAST_SIZE, float(value.sqrt())) for name, value in squares.items()}


class _Parameters:
    """The model's own parameters as what is learned: each once, by the first of its names."""

    def __init__(self, model: PreTrainedModel, start: State, rate: float) -> None:
        every = list(model.named_parameters(remove_duplicate=False))
        first: dict[int, str] = {}
        self._names = {name: first.setdefault(id(value), name) for name, value in every}
        self._start = start
        self._rates = {name: rate * size for name, size in sizes(model, start).items()}

    def parameters(self) -> dict[str, Tensor]:
        return {name: self._start[name].float().clone() for name in self._rates}

    def rates(self) -> dict[str, float]:
        return self._rates

    def moved(self, parameters: Mapping[str, Tensor]) -> dict[str, Tensor]:
        return single(self._start) | {name: parameters[own] for name, own in self._names.items()}
