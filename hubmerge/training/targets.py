"""What a model between the parents is to learn: what the parents say, or what the rows are."""

from __future__ import annotations

from functools import reduce

import torch
from torch import Tensor
from torch.nn import functional as F

TEMPERATURE = 2.0
"""Predictions are softened by this much before they are compared (arXiv:1503.02531, section 2).
Without it a parent's own training rows would give nothing but their label."""


def mean_prediction(*logits: Tensor) -> Tensor:
    """What parents say together: the mean of their softened predictions [rows, classes].

    logits: [rows, classes] of every parent, added in their order.
    """
    softened = [F.softmax(each / TEMPERATURE, -1) for each in logits]
    return reduce(torch.add, softened) / len(softened)


def divergence(logits: Tensor, wanted: Tensor) -> Tensor:
    """Summed over rows: Kullback-Leibler divergence in nats of softened `logits` from `wanted`."""
    said = F.log_softmax(logits / TEMPERATURE, -1)
    return F.kl_div(said, wanted.to(said.dtype), reduction="sum")


def cross_entropy(logits: Tensor, labels: Tensor) -> Tensor:
    """Summed over rows, or over the tokens of all rows that have a label, in nats."""
    return F.cross_entropy(logits.movedim(-1, 1), labels, reduction="sum")


def loss(logits: Tensor, wanted: Tensor) -> Tensor:
    """`cross_entropy` where classes [rows], or tokens [rows, tokens], are wanted; `divergence`
    where predictions are."""
    if wanted.dtype == torch.int64:
        return cross_entropy(logits, wanted)
    return divergence(logits, wanted)
