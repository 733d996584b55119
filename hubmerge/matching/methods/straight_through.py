"""Straight-through matching: a model of one's own is learned, and the other one drawn to it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import FunctionCtx

from hubmerge.matching.learned.registry import learner
from hubmerge.matching.learned.start import Start, begin, name_of
from hubmerge.matching.result import Match, describe_spaces
from hubmerge.matching.solvers.coordinate_descent import descend
from hubmerge.models.method_context import MethodContext
from hubmerge.specs.spec import Spec
from hubmerge.symmetry.element import Symmetry
from hubmerge.symmetry.permutation import Permutation, State, permute
from hubmerge.training.precision import single
from hubmerge.training.trainer import learn

STEPS = 300
"""Steps of the full course."""

RATE = 0.01
"""How far one step moves a weight, in standard deviations of its tensor."""


@learner(source="arXiv:2209.04836, section 3.3, Algorithm 2", labelled=True)
def match_straight_through(
    spec: Spec,
    anchor: State,
    other: State,
    *,
    context: MethodContext,
    seed: int = 0,
    start: Start = "weights",
    steps: int = STEPS,
) -> Match:
    """Permutations learned on the labelled loss of the midpoint, straight through weight matching.

    A free copy of A's weights learns; at every step B is permuted to match it best by weights, the
    loss is that of the midpoint of A and so permuted B, and the gradient goes to the free copy as
    if it had been B. Permutations only: rotations and linear maps are for `learned`.

    Returns: Match, of the best midpoint on validation rows.
    Raises: RecipeError without calibration or validation rows, or without labels.
    """
    spec, steps = spec.unmapped, context.steps or steps
    beginning = begin(spec, anchor, other, context, start, seed, labelled=True)
    drawn = Drawn(spec, anchor, other, beginning.symmetry.permutation)
    words = ("straight-through", str(spec), start, str(steps), str(seed))
    learnt = learn(
        drawn,
        single(anchor),
        beginning.sampler,
        context,
        steps=steps,
        seed=seed,
        name=name_of(words, context, beginning, drawn.rates()),
    )
    symmetry = Symmetry(drawn.permutation(learnt.parameters))
    spaces = describe_spaces(spec, symmetry, beginning.correlations(symmetry))
    return Match("straight-through", spec, symmetry.permutation, learnt.outcome, spaces)


class Drawn:
    """The other model, permuted to match free weights: Algorithm 2's projection.

    Its permutation depends on nothing but the free weights: coordinate descent begins anew from the
    same start every time, so that work taken up again goes on as it would have.
    """

    def __init__(self, spec: Spec, anchor: State, other: State, start: Permutation) -> None:
        """`start` is where the search for a permutation begins."""
        self.spec, self.other, self.start = spec, single(other), dict(start)
        touched = {name for space in spec.free_spaces() for name in spec.touched_by[space]}
        self._free = {
            name: value
            for name, value in single(anchor).items()
            if name in touched and name not in spec.silent
        }

    def parameters(self) -> dict[str, Tensor]:
        """The anchor's own weights."""
        return {name: value.clone() for name, value in self._free.items()}

    def rates(self) -> dict[str, float]:
        """A share of each tensor's spread."""
        return {
            name: RATE * float(value.std()) if value.numel() > 1 else RATE
            for name, value in self._free.items()
        }

    def moved(self, parameters: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """The other model as it matches `parameters`; its gradient is passed on to them."""
        state = permute(self.spec, self.other, self.permutation(parameters))
        return {
            name: _PassedOn.apply(parameters[name], value) if name in parameters else value
            for name, value in state.items()
        }

    def permutation(self, parameters: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Under which the other model's weights are most like `parameters`."""
        target = {**self.other, **{name: value.detach() for name, value in parameters.items()}}
        found, _ = descend(self.spec, target, self.other, start=Symmetry(self.start))
        return dict(found.permutation)


class _PassedOn(torch.autograd.Function):
    @staticmethod
    def forward(ctx: FunctionCtx, free: Tensor, value: Tensor) -> Tensor:
        return value.clone()

    @staticmethod
    def backward(ctx: FunctionCtx, *gradients: Tensor) -> Any:
        return gradients[0], None
