"""The course of learning: steps down the loss of the midpoint, watched on validation rows.

Every `CHECK` steps the midpoint is measured on rows it does not learn from; the best it ever was is
what is kept. Single steps are noisy and so are single looks: when a running mean of the looks has
not become better for a while, the rate begins to fall, and learning stops by itself.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from itertools import islice
from typing import Protocol

import torch
from torch import Tensor

from hubmerge.models.method_context import MethodContext
from hubmerge.symmetry.permutation import State
from hubmerge.training.adam import Adam
from hubmerge.training.augmentation import mixed
from hubmerge.training.batch_sampler import BatchSampler
from hubmerge.training.midpoint_loss import Midpoint
from hubmerge.training.schedule import LRSchedule
from hubmerge.utils.progress import track

CHECK = 50
"""Steps between two looks at the validation rows."""

PATIENCE = 5
"""Looks without a better running mean after which the rate falls, at least."""

SHARE = 4
"""So many times this is the whole course: a long one gets better slowly, behind the same noise."""

FRESH = 0.5
"""Weight of the latest look in the running mean."""

MIDDLE = 0.5
"""The weight of what is learned in the mixture that is watched, where steps are drawn around it."""

NEAREST, FARTHEST = 0.4, 0.6
"""The point of a step is drawn between these weights of B (arXiv:2506.22712, section 4.2)."""

LOSSES = ("best_loss", "first_loss", "mean", "least_mean")
STEPS = ("best_step", "least_step")
"""What is kept of a standing beside its tensors and its pace."""


class Trainable(Protocol):
    """Something that makes a model with the other's function out of free numbers."""

    def parameters(self) -> dict[str, Tensor]:
        """The numbers at the start."""

    def rates(self) -> dict[str, float]:
        """How far one step moves the numbers of each tensor, at full rate."""

    def moved(self, parameters: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """The other model's tensors, differentiable in the numbers."""


@dataclass(frozen=True, kw_only=True)
class TrainingState:
    """Where learning stands, the best it has been, and the running mean of all looks."""

    adam: Adam
    best: dict[str, Tensor]
    best_loss: float
    best_step: int
    first_loss: float
    mean: float
    least_mean: float
    least_step: int
    schedule: LRSchedule

    @property
    def step(self) -> int:
        """Steps taken."""
        return self.adam.steps

    @property
    def is_over(self) -> bool:
        """Whether the last step was taken."""
        return self.step >= self.schedule.end

    @classmethod
    def at(cls, start: dict[str, Tensor], loss: float, schedule: LRSchedule) -> TrainingState:
        """Before the first step of a course."""
        return cls(
            adam=Adam.at(start),
            best=start,
            best_loss=loss,
            best_step=0,
            first_loss=loss,
            mean=loss,
            least_mean=loss,
            least_step=0,
            schedule=schedule,
        )

    def seen(self, loss: float, patience: int) -> TrainingState:
        """After a look. patience: steps that need not have brought anything."""
        mean = (1 - FRESH) * self.mean + FRESH * loss
        found = replace(self, mean=mean)
        if mean < self.least_mean:
            found = replace(found, least_mean=mean, least_step=self.step)
        if self.step - found.least_step >= patience:
            found = replace(found, schedule=self.schedule.falling(self.step))
        if loss < self.best_loss:
            found = replace(found, best=self.adam.parameters, best_loss=loss, best_step=self.step)
        return found


@dataclass(frozen=True)
class TrainingResult:
    """The best numbers, a sentence on how learning ended, and what it came to.

    first_loss, best_loss: on validation rows, at the start and at the best step. steps: taken.
    """

    parameters: dict[str, Tensor]
    outcome: str
    first_loss: float
    best_loss: float
    steps: int
    best_step: int


def learn(
    learner: Trainable,
    anchor: State,
    sampler: BatchSampler,
    context: MethodContext,
    *,
    steps: int,
    seed: int,
    point: float | None = None,
    name: str = "",
    schedule: LRSchedule | None = None,
    look: Callable[[State], float] | None = None,
) -> TrainingResult:
    """Takes `steps` steps of a learner, or as many as the validation loss is worth.

    anchor: the model at weight 0, float32. point: the weight of what is learned in every step; None
    draws it anew for each, around the middle, which is what is watched. name: under which
    unfinished training is kept in the context's checkpoint store and continued; the result is the
    same. schedule: of the rate; None: full for two thirds of the steps. look: what of the watched
    model is to be small; None: the loss that is learned from, on validation rows.
    Called by all processes alike.
    """
    midpoint = Midpoint(context.scratch, context.workers)
    held_out = {} if look else sampler.held_out()
    patience = max(PATIENCE * CHECK, steps // SHARE)

    def measured(parameters: Mapping[str, Tensor]) -> float:
        with torch.no_grad():
            mixture = between(anchor, learner.moved(parameters), MIDDLE if point is None else point)
        return look(mixture) if look else midpoint.loss(mixture, context.validation, held_out)

    with context.workers.single_threaded_ops(), track(steps, "learning", "step") as bar:
        schedule = schedule or LRSchedule.over(steps)
        state = stored_state(context, name, schedule)
        if state is None:
            start = learner.parameters()
            state = TrainingState.at(start, measured(start), schedule)
        bar.update(state.step)
        order = islice(sampler.order(), state.step, None)
        while not state.is_over:
            number, lesson = state.step, next(order)
            inputs, wanted = sampler.inputs(lesson), sampler.wanted(lesson)
            numbers = {k: v.requires_grad_() for k, v in state.adam.parameters.items()}
            with torch.enable_grad():
                share = weight(seed, number) if point is None else point
                mixture = between(anchor, learner.moved(numbers), share)
            slope = midpoint.slope(mixture, inputs, wanted)
            gradient = pulled_back(mixture, slope.gradient, numbers)
            full = state.schedule.rate(number)
            rates = {key: full * value for key, value in learner.rates().items()}
            with torch.no_grad():
                state = replace(state, adam=state.adam.step(gradient, rates))
            bar.update(1)
            if state.step % CHECK == 0 or state.is_over:
                loss = measured(state.adam.parameters)
                state = state.seen(loss, patience)
                bar.note(f"loss {slope.loss:.3f}, validation {loss:.3f}")
                store_state(context, name, state)
    return TrainingResult(
        state.best,
        outcome_text(state, steps),
        first_loss=state.first_loss,
        best_loss=state.best_loss,
        steps=state.step,
        best_step=state.best_step,
    )


def outcome_text(state: TrainingState, steps: int) -> str:
    """How it ended, in one sentence."""
    fell = f"validation loss {state.first_loss:.3f} -> {state.best_loss:.3f}"
    early = state.step < steps
    how = "stopped by itself" if early else "all steps taken"
    return f"learned for {state.step} steps, {how}; {fell}, best at step {state.best_step}"


def between(anchor: State, moved: State, weight: float) -> dict[str, Tensor]:
    """(1 - weight) anchor + weight moved; what is no float is the anchor's."""
    if weight == 1.0:
        return {n: moved[n] if v.is_floating_point() else v for n, v in anchor.items()}
    return {
        name: torch.lerp(value, moved[name], weight) if value.is_floating_point() else value
        for name, value in anchor.items()
    }


def pulled_back(
    state: State, gradient: Mapping[str, Tensor], numbers: Mapping[str, Tensor]
) -> dict[str, Tensor]:
    """The gradient with respect to the free numbers, from that with respect to the tensors."""
    names = [name for name in gradient if state[name].requires_grad]
    keys = list(numbers)
    found = torch.autograd.grad(
        [state[name] for name in names],
        [numbers[key] for key in keys],
        [gradient[name] for name in names],
        allow_unused=True,
    )
    return {
        key: torch.zeros_like(numbers[key]) if value is None else value
        for key, value in zip(keys, found, strict=True)
    }


def weight(seed: int, step: int) -> float:
    """The weight of parent B in a step."""
    generator = torch.Generator().manual_seed(mixed(seed, step, 1))
    return NEAREST + (FARTHEST - NEAREST) * float(torch.rand((), generator=generator))


def store_state(context: MethodContext, name: str, state: TrainingState) -> None:
    """Keeps `state` in the checkpoint store, if there is one."""
    if context.checkpoints is None or not context.workers.is_main:
        return
    adam, schedule, tensors = state.adam, state.schedule, dict[str, Tensor]()
    for part in ("parameters", "first", "second"):
        tensors |= {f"{part} {key}": v.detach() for key, v in getattr(adam, part).items()}
    tensors |= {f"best {key}": value.detach().clone() for key, value in state.best.items()}
    losses = [getattr(state, name) for name in LOSSES]
    counts = [adam.steps, schedule.fall, schedule.end, *(getattr(state, name) for name in STEPS)]
    tensors["losses"] = torch.tensor(losses, dtype=torch.float64)
    tensors["counts"] = torch.tensor(counts)
    context.checkpoints.put(name, tensors)


def stored_state(context: MethodContext, name: str, schedule: LRSchedule) -> TrainingState | None:
    """The stored state called `name`, of a course by `schedule`: the same on all processes."""
    checkpoints = context.checkpoints
    if checkpoints is None:
        return None
    tensors = context.workers.on_main(lambda: checkpoints.take(name))
    if tensors is None:
        return None
    parts: dict[str, dict[str, Tensor]] = {}
    losses = dict(zip(LOSSES, tensors.pop("losses").tolist(), strict=True))
    taken, fall, end, *steps = tensors.pop("counts").tolist()
    for key, value in tensors.items():
        part, _, space = key.partition(" ")
        parts.setdefault(part, {})[space] = value
    adam = Adam(parts["parameters"], parts["first"], parts["second"], taken)
    kept = dict(zip(STEPS, steps, strict=True))
    now = replace(schedule, fall=fall, end=end)
    return TrainingState(adam=adam, best=parts["best"], schedule=now, **losses, **kept)
