"""Learning what each model weighs: the loss of a mixture and its slope along every model.

A mixture is linear in its weights, so that its slope along a model is the product of the loss's
gradient with that model's tensors; nothing is differentiated but the model itself.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from hubmerge.data.batches import Batches
from hubmerge.fuse._mean import weighted_mean
from hubmerge.fuse.validation_scorer import ValidationScorer
from hubmerge.models.batch_norm_rows import normalisable
from hubmerge.symmetry.permutation import State
from hubmerge.training.batch_sampler import labels_of
from hubmerge.training.midpoint_loss import Midpoint
from hubmerge.utils.progress import track

Weigh = Callable[[Tensor], Tensor]
"""What is learned -> what each model weighs, [models], differentiable."""


def learned(
    states: Sequence[State],
    scorer: ValidationScorer,
    sampler: Batches,
    start: Tensor,
    weigh: Weigh,
    *,
    epochs: int,
    rate: float,
    what: str,
) -> list[float]:
    """What each model weighs after so many passes over the labelled rows `sampler`.

    start: what is learned, [k] float64. Adam on batches in their order, the learning rate falling
    to 0 along half a cosine. Where what was learned is no better on the judge's rows than the
    start, the start is kept.
    Raises: RecipeError, if there is a single row, which batch norms cannot normalise by itself.
    """
    free = start.clone().requires_grad_()
    context, workers = scorer.context, scorer.context.workers
    kind = "validation" if sampler is context.validation else "calibration"
    batches = normalisable(sampler, context.scratch, kind)
    steps = epochs * len(batches)
    adam = torch.optim.Adam([free], lr=rate)
    falls = torch.optim.lr_scheduler.CosineAnnealingLR(adam, steps)
    with workers.single_threaded_ops(), track(steps, what) as bar:
        mixture = Midpoint(context.scratch, workers)
        for step in range(steps):
            weights, batch = weigh(free), batches[step % len(batches)]
            here = _single(weighted_mean(states, weights.tolist()))
            gradient = mixture.slope(here, batch.inputs, labels_of(batch)).gradient
            adam.zero_grad()
            weights.backward(along(states, gradient))
            adam.step()
            falls.step()
            bar.update(1)
        before, found = weigh(start).tolist(), weigh(free).tolist()
        losses = [scorer.loss(weighted_mean(states, each), each) for each in (before, found)]
    return found if losses[1] < losses[0] else before


def along(states: Sequence[State], gradient: State) -> Tensor:
    """The slope along every model, float64 [models]."""
    slopes = [
        torch.stack([(state[n].double() * slope.double()).sum() for n, slope in gradient.items()])
        for state in states
    ]
    return torch.stack(slopes).sum(1)


def _single(state: State) -> dict[str, Tensor]:
    return {
        name: value.float() if value.is_floating_point() else value for name, value in state.items()
    }
