"""Distillation: a network learns what the parents say together, on rows without labels.

arXiv:1503.02531, section 2, with the parents' mean as the teacher: the loss is the divergence of
the network's softened prediction from the mean of theirs. No label is looked at.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from torch import Tensor
from transformers import PreTrainedModel
from transformers.pytorch_utils import Conv1D

from hubmerge.models.method_context import MethodContext
from hubmerge.models.states import in_dtypes_of
from hubmerge.recipe import REFINE_STEPS
from hubmerge.refine.result import Refined
from hubmerge.symmetry.permutation import State
from hubmerge.training.batch_sampler import BatchSampler
from hubmerge.training.midpoint_loss import ParentModels
from hubmerge.training.precision import single
from hubmerge.training.schedule import LRSchedule
from hubmerge.training.trainer import learn
from hubmerge.training.work_name import work_name

RATE = 1e-3
"""How far a step moves a number at full rate."""
WIDTH = 64
"""Inputs of a layer from which on the rate of its matrix is less, in proportion: what moves the
layer's outputs alike at every width (arXiv:2203.03466, table 3, Adam)."""
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
    rate: float = RATE,
    seed: int = 0,
    sampler: BatchSampler | None = None,
) -> Refined:
    """Teaches the network `start` the mean of the parents' softened predictions, label-free.

    Learns on the calibration rows of `context`, images as they are in one epoch, and mirrored and
    shifted in the next. Its validation rows say which step is kept, the start being the first
    candidate. The rate falls in a straight line from the first step to the last. Batch norms
    normalise by the rows at hand, so that their running statistics, which stay those of the start,
    have to be measured anew. Unfinished work is kept in the context's checkpoint store and
    continued. Called by all processes alike.

    start: tensors of `context.scratch`. parents: tensors of the same model, their classes in the
    same order. steps: that are taken. rate: how far a step moves a number at full rate, in a matrix
    of more than `WIDTH` inputs less. seed: of the order of rows and of the views of images.
    sampler: what `lessons` made of the same parents, context and seed, which remembers what parents
    said; None: another.
    Returns: Refined, in the dtypes of `start`.
    Raises: RecipeError without calibration or validation rows.
    Source: arXiv:1503.02531, section 2.
    """
    sampler = sampler or lessons(parents, context, seed)
    network = _Parameters(context.scratch, start, rate)
    words = ("distill", str(steps), str(rate), str(ROWS), str(seed))
    learnt = learn(
        network,
        single(start),
        sampler,
        context,
        steps=steps,
        seed=seed,
        point=WHOLE,
        schedule=LRSchedule.straight(steps),
        name=work_name(words, (start, *parents), context),
    )
    kept = dict(start)
    if learnt.best_step:
        kept |= in_dtypes_of(network.moved(learnt.parameters), start)
    return Refined(
        state=kept,
        divergence_before=learnt.first_loss,
        divergence_after=learnt.best_loss,
        steps=learnt.steps,
        best_step=learnt.best_step,
        outcome=learnt.outcome,
    )


def lessons(parents: Sequence[State], context: MethodContext, seed: int) -> BatchSampler:
    """The rows in the order in which `distill` sees them, and what the parents say of each.

    Raises: RecipeError without calibration or validation rows.
    """
    teachers = ParentModels(context.scratch, parents, context.workers)
    return BatchSampler(context, teachers, seed, unmoved=True, rows=ROWS)


def shares_of_rate(model: PreTrainedModel) -> dict[str, float]:
    """Parameter -> share of the full rate at which it learns: less in matrices of more than
    `WIDTH` inputs, in proportion."""
    turned = {id(each.weight) for each in model.modules() if isinstance(each, Conv1D)}
    shares = {}
    for name, value in model.named_parameters():
        if value.ndim < 2:
            shares[name] = 1.0
        else:
            inputs = value.shape[0 if id(value) in turned else 1]
            shares[name] = min(1.0, WIDTH / inputs)
    return shares


class _Parameters:
    """The model's own parameters as what is learned: each once, by the first of its names."""

    def __init__(self, model: PreTrainedModel, start: State, rate: float) -> None:
        every = list(model.named_parameters(remove_duplicate=False))
        first: dict[int, str] = {}
        self._names = {name: first.setdefault(id(value), name) for name, value in every}
        self._start = start
        self._rates = {name: rate * share for name, share in shares_of_rate(model).items()}

    def parameters(self) -> dict[str, Tensor]:
        return {name: self._start[name].float().clone() for name in self._rates}

    def rates(self) -> dict[str, float]:
        return self._rates

    def moved(self, parameters: Mapping[str, Tensor]) -> dict[str, Tensor]:
        return single(self._start) | {name: parameters[own] for name, own in self._names.items()}
