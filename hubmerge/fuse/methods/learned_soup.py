"""Learned soup: what each model weighs is learned on validation rows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import torch

from hubmerge.fuse._mixing import learned
from hubmerge.fuse._training_run import weighed
from hubmerge.fuse.laws import EXCHANGE, IDENTITY, PERMUTATIONS, ROTATIONS, UNITY
from hubmerge.fuse.options import Says
from hubmerge.fuse.registry import fusion
from hubmerge.fuse.result import Fused
from hubmerge.fuse.validation_scorer import ValidationScorer
from hubmerge.symmetry.permutation import State


@fusion(
    source="arXiv:2203.05482, appendix I",
    laws=(IDENTITY, EXCHANGE, UNITY, PERMUTATIONS, ROTATIONS),
    weighs=False,
)
def learned_soup(
    states: Sequence[State],
    weights: Sequence[float],
    *,
    scorer: ValidationScorer,
    epochs: Annotated[int, Says("passes over the validation rows", 1)] = 5,
    rate: Annotated[float, Says("learning rate", 0)] = 0.1,
) -> Fused:
    """Positive weights that sum to 1, learned on the loss of the mixture on validation rows.

    They start equal; their logarithms are learned.
    """
    start = torch.zeros(len(states), dtype=torch.float64)
    found = learned(
        states,
        scorer,
        scorer.rows,
        start,
        lambda free: free.softmax(0),
        epochs=epochs,
        rate=rate,
        what="learned soup",
    )
    return weighed(states, found)
