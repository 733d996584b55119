"""Permutations with a gradient: hard on the way forward, soft on the way back.

Forward, scores [..., n, n] become the permutation matrix they are worth most under (an exact
assignment). Backward, the gradient of that matrix goes to the scores as if it had been them: the
straight-through estimator, arXiv:1308.3432, section 4; for permutations arXiv:2209.04836,
section 3.3 and arXiv:2506.22712, section 4.2.
"""

from __future__ import annotations

from math import prod

import numpy as np
import torch
from torch import Tensor
from torch.autograd.function import FunctionCtx

from hubmerge.matching.solvers.space_assignment import linear_assignment

AHEAD = 0.05
"""How far a unit's first match is ahead of the one most like it, as a correlation."""


def scores_for(alike: Tensor) -> Tensor:
    """Scores under which units stay where they are, float32 [..., n, n].

    alike: [..., n, n], how much a unit is like every other, about 0 to 1. It says which exchanges
    are likely: few are, and among those learning has to find the ones that help.
    """
    scores = alike.float().clone()
    ahead = scores.amax(-1) + AHEAD
    scores.diagonal(dim1=-2, dim2=-1).copy_(ahead)
    return scores


def chosen(scores: Tensor) -> Tensor:
    """The order [..., n], new[i] = old[order[i]], that `scores` [..., n, n] are worth most in."""
    size = scores.shape[-1]
    flat = scores.detach().double().reshape(prod(scores.shape[:-2]), size, size).numpy()
    orders = np.stack([_best(matrix) for matrix in flat])
    return torch.from_numpy(orders.astype(np.int64)).reshape(scores.shape[:-1])


def _best(matrix: np.ndarray) -> np.ndarray:
    """The assignment: every row's favourite, if no two rows have the same."""
    favourites = matrix.argmax(1)
    alone = len(np.unique(favourites)) == len(favourites)
    return favourites if alone else linear_assignment(matrix)


def one_hot(order: Tensor) -> Tensor:
    """The permutation matrices [..., n, n], float32, of orders [..., n]."""
    return torch.nn.functional.one_hot(order, order.shape[-1]).float()


def straight_through(scores: Tensor) -> Tensor:
    """The permutation matrices chosen by `scores`; their gradient is passed on to the scores."""
    return _StraightThrough.apply(scores)  # type: ignore[no-any-return,no-untyped-call]


class _StraightThrough(torch.autograd.Function):
    @staticmethod
    def forward(ctx: FunctionCtx, scores: Tensor) -> Tensor:
        return one_hot(chosen(scores))

    @staticmethod
    def backward(ctx: FunctionCtx, *gradients: Tensor) -> Tensor:
        return gradients[0]
