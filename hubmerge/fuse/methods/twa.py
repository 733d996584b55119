"""Trainable weight averaging: a point of the plane through all models, trained in it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import torch
from torch import Tensor

from hubmerge.data.batches import Batches
from hubmerge.fuse._mixing import learned
from hubmerge.fuse._running_statistics import is_statistic
from hubmerge.fuse._training_run import weighed
from hubmerge.fuse.laws import EXCHANGE, IDENTITY, PERMUTATIONS, ROTATIONS, UNITY
from hubmerge.fuse.options import Says
from hubmerge.fuse.registry import fusion
from hubmerge.fuse.result import Fused
from hubmerge.fuse.validation_scorer import ValidationScorer
from hubmerge.symmetry.permutation import State

FLAT = 1e-10
"""Directions shorter than this share of the longest are rounding."""


@fusion(
    source="arXiv:2205.13104, section 3",
    laws=(IDENTITY, EXCHANGE, UNITY, PERMUTATIONS, ROTATIONS),
    weighs=False,
)
def twa(
    states: Sequence[State],
    weights: Sequence[float],
    *,
    scorer: ValidationScorer,
    sampler: Batches,
    epochs: Annotated[int, Says("passes over the calibration rows", 1)] = 5,
    rate: Annotated[
        float, Says("learning rate, in distances of the models to their mean", 0)
    ] = 0.05,
) -> Fused:
    """Weights of either sign that sum to 1, trained on labelled calibration rows.

    As in the paper the directions between the models are made orthonormal first, the training
    starts from the mean, and what is trained on are training rows, where the data has some; here
    the weights are kept to a sum of 1, and validation rows say whether they are better than the
    mean, which is kept otherwise.
    """
    count = len(states)
    axes = _axes(_products(states))
    mean = torch.full((count,), 1 / count, dtype=torch.float64)
    if not len(axes):
        return weighed(states, mean.tolist())
    start = torch.zeros(len(axes), dtype=torch.float64)
    found = learned(
        states,
        scorer,
        sampler,
        start,
        lambda free: mean + free @ axes,
        epochs=epochs,
        rate=rate,
        what="averaging weights",
    )
    return weighed(states, found)


def _products(states: Sequence[State]) -> Tensor:
    """Inner products of the models about their mean, float64 [models, models]."""
    total = torch.zeros(len(states), len(states), dtype=torch.float64)
    for name, value in states[0].items():
        if value.is_floating_point() and not is_statistic(name):
            rows = torch.stack([state[name].double().flatten() for state in states])
            rows = rows - rows.mean(0)
            total += rows @ rows.T
    return total


def _axes(products: Tensor) -> Tensor:
    """Weights of the models along orthogonal directions, all as long as the models are typically
    far from their mean: [directions, models]. Each row sums to 0.
    """
    sizes, directions = torch.linalg.eigh(products)
    real = sizes > FLAT * sizes.max().clamp_min(torch.finfo(torch.float64).tiny)
    length = (products.trace() / len(products)).sqrt()
    axes = (directions[:, real] / sizes[real].sqrt()).T * length
    return axes - axes.mean(1, keepdim=True)
