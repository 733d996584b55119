"""The course of learning: steps down the loss of the midpoint, watched on validation rows.

Every `CHECK` steps the midpoint is measured on rows it does not learn from; the best it ever was is
what is kept. Single steps are noisy and so are single looks: learning stops when a running mean of
the looks has not become better for `PATIENCE` of them.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from itertools import islice
from typing import Protocol

import torch
from torch import Tensor

from hubmerge.bench import Bench
from hubmerge.matching.learning.adam import Adam
from hubmerge.matching.learning.lessons import Lessons
from hubmerge.matching.learning.midpoint import Midpoint
from hubmerge.matching.learning.views import mixed
from hubmerge.progress import track
from hubmerge.spec.permutation import State

CHECK = 50
"""Steps between two looks at the validation rows."""

PATIENCE = 5
"""Looks without a better running mean after which learning stops."""

FRESH = 0.5
"""Weight of the latest look in the running mean."""

NEAREST, FARTHEST = 0.4, 0.6
"""The point of a step is drawn between these weights of B (arXiv:2506.22712, section 4.2)."""

WARM = 10
"""Steps over which the rate rises to its full size."""


FIGURES = ("step", "best_loss", "best_step", "first_loss", "mean", "least_mean", "least_step")
"""What is kept of a standing beside its tensors."""


class Learner(Protocol):
    """Something that makes a model with the other's function out of free numbers."""

    def parameters(self) -> dict[str, Tensor]:
        """The numbers at the start."""

    def rates(self) -> dict[str, float]:
        """How far one step moves the numbers of each tensor, at full rate."""

    def moved(self, parameters: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """The other model's tensors, differentiable in the numbers."""


@dataclass(frozen=True)
class Standing:
    """Where learning stands, the best it has been, and the running mean of all looks."""

    adam: Adam
    best: dict[str, Tensor]
    best_loss: float
    best_step: int
    first_loss: float
    mean: float
    least_mean: float
    least_step: int

    @property
    def step(self) -> int:
        """Steps taken."""
        return self.adam.steps

    @property
    def is_stuck(self) -> bool:
        """Whether looking on promises nothing."""
        return self.step - self.least_step >= PATIENCE * CHECK

    @classmethod
    def at(cls, start: dict[str, Tensor], loss: float) -> Standing:
        """Before the first step."""
        return cls(Adam.at(start), start, loss, 0, loss, loss, loss, 0)

    def seen(self, loss: float) -> Standing:
        """After a look."""
        mean = (1 - FRESH) * self.mean + FRESH * loss
        found = replace(self, mean=mean)
        if mean < self.least_mean:
            found = replace(found, least_mean=mean, least_step=self.step)
        if loss < self.best_loss:
            found = replace(found, best=self.adam.parameters, best_loss=loss, best_step=self.step)
        return found


@dataclass(frozen=True)
class Learnt:
    """The best numbers, and a sentence on how learning ended."""

    parameters: dict[str, Tensor]
    outcome: str


def learn(
    learner: Learner,
    anchor: State,
    lessons: Lessons,
    bench: Bench,
    *,
    steps: int,
    seed: int,
    name: str = "",
) -> Learnt:
    """Takes `steps` steps of a learner, or as many as the validation loss is worth.

    anchor: the model at weight 0, float32. name: under which unfinished work is kept on the bench's
    shelf, and taken up again; the result is the same. Called by all processes alike.
    """
    midpoint, held_out = Midpoint(bench.scratch, bench.workers), lessons.held_out()

    def measured(parameters: Mapping[str, Tensor]) -> float:
        with torch.no_grad():
            state = between(anchor, learner.moved(parameters), 0.5)
        return midpoint.loss(state, bench.validation, held_out)

    with bench.workers.single_threaded_ops(), track(steps, "learning", "step") as bar:
        standing = taken_up(bench, name)
        if standing is None:
            start = learner.parameters()
            standing = Standing.at(start, measured(start))
        bar.update(standing.step)
        order = islice(lessons.order(), standing.step, steps)
        for number, lesson in enumerate(order, start=standing.step):
            inputs, wanted = lessons.inputs(lesson), lessons.wanted(lesson)
            numbers = {k: v.requires_grad_() for k, v in standing.adam.parameters.items()}
            with torch.enable_grad():
                state = between(anchor, learner.moved(numbers), weight(seed, number))
            slope = midpoint.slope(state, inputs, wanted)
            gradient = pulled_back(state, slope.gradient, numbers)
            share = rate(number, steps)
            rates = {key: share * value for key, value in learner.rates().items()}
            with torch.no_grad():
                standing = replace(standing, adam=standing.adam.step(gradient, rates))
            bar.update(1)
            if standing.step % CHECK == 0 or standing.step == steps:
                loss = measured(standing.adam.parameters)
                standing = standing.seen(loss)
                bar.note(f"loss {slope.loss:.3f}, validation {loss:.3f}")
                put_down(bench, name, standing)
                if standing.is_stuck:
                    break
    return Learnt(standing.best, told(standing, steps))


def told(standing: Standing, steps: int) -> str:
    """How it ended, in one sentence."""
    fell = f"validation loss {standing.first_loss:.3f} -> {standing.best_loss:.3f}"
    early = standing.step < steps
    how = "stopped by itself" if early else "all steps taken"
    return f"learned for {standing.step} steps, {how}; {fell}, best at step {standing.best_step}"


def between(anchor: State, moved: State, weight: float) -> dict[str, Tensor]:
    """(1 - weight) anchor + weight moved; what is no float is the anchor's."""
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


def rate(step: int, steps: int) -> float:
    """Share of the full rate: up in `WARM` steps, down along a cosine (arXiv:1608.03983)."""
    return min(1.0, (step + 1) / WARM) * 0.5 * (1 + math.cos(math.pi * step / steps))


def weight(seed: int, step: int) -> float:
    """The weight of parent B in a step."""
    generator = torch.Generator().manual_seed(mixed(seed, step, 1))
    return NEAREST + (FARTHEST - NEAREST) * float(torch.rand((), generator=generator))


def put_down(bench: Bench, name: str, standing: Standing) -> None:
    """Keeps `standing` on the shelf, if there is one."""
    if bench.shelf is None or not bench.workers.is_main:
        return
    adam, tensors = standing.adam, dict[str, Tensor]()
    for part in ("parameters", "first", "second"):
        tensors |= {f"{part} {key}": v.detach() for key, v in getattr(adam, part).items()}
    tensors |= {f"best {key}": value.detach().clone() for key, value in standing.best.items()}
    figures = [getattr(standing, name) for name in FIGURES]
    tensors["figures"] = torch.tensor(figures, dtype=torch.float64)
    bench.shelf.put(name, tensors)


def taken_up(bench: Bench, name: str) -> Standing | None:
    """What lies on the shelf under `name`: the same on all processes."""
    shelf = bench.shelf
    if shelf is None:
        return None
    tensors = bench.workers.on_main(lambda: shelf.take(name))
    if tensors is None:
        return None
    parts: dict[str, dict[str, Tensor]] = {}
    figures = tensors.pop("figures").tolist()
    for key, value in tensors.items():
        part, _, space = key.partition(" ")
        parts.setdefault(part, {})[space] = value
    steps, *others = figures
    adam = Adam(parts["parameters"], parts["first"], parts["second"], int(steps))
    found = dict(zip(FIGURES[1:], others, strict=True))
    whole = {name: int(found.pop(name)) for name in ("best_step", "least_step")}
    return Standing(adam, parts["best"], **found, **whole)  # type: ignore[arg-type]
