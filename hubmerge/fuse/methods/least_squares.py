"""Layer-wise least squares: every layer refitted to what the aligned parents do at its place.

Averaged layers are wrong twice: they get other inputs than the parents' layers did, and what they
make of them is no mean. So the layers are gone through in forward order, and each is corrected
(`hubmerge.fuse.layerwise.refit`).
"""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from hubmerge.fuse.laws import ENDS, EXCHANGE, IDENTITY, PERMUTATIONS, ROTATIONS
from hubmerge.fuse.layerwise.refit import refitted
from hubmerge.fuse.registry import fusion
from hubmerge.models.method_context import MethodContext
from hubmerge.symmetry.permutation import State


@fusion(
    source="arXiv:2212.09849, section 3.2 (RegMean); arXiv:2407.02447 (PLeaS), section 3",
    laws=(IDENTITY, EXCHANGE, ENDS, PERMUTATIONS, ROTATIONS),
    sets_statistics=True,
)
def least_squares(
    states: Sequence[State], weights: Sequence[float], *, context: MethodContext
) -> dict[str, Tensor]:
    """Every layer refitted to the parents' mean output there, on unlabelled calibration images.

    weights: one per state, summing to 1. What is no layer (norms by themselves, class tokens,
    position embeddings, tensors with several uses) is averaged. Where every parent has rows of a
    task of its own, the target on them is what that parent does.
    Raises: ValueError as `weighted_mean` does; RecipeError without calibration batches.
    """
    return refitted(states, weights, context, fusion="least-squares")[0]
