"""Late layer-wise least squares: the first layers of one model, and behind them those of all.

What mixing loses in one layer is carried through all layers behind it. So the first layers stay
those of one model, and only the last learn from all of them what to make of it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

from hubmerge.fuse.laws import ENDS, IDENTITY, PERMUTATIONS, ROTATIONS
from hubmerge.fuse.layerwise.refit import refitted
from hubmerge.fuse.options import Says
from hubmerge.fuse.registry import fusion
from hubmerge.fuse.result import Fused
from hubmerge.models.method_context import MethodContext
from hubmerge.symmetry.permutation import State


@fusion(
    source="arXiv:2212.09849, section 3.2 (RegMean); arXiv:2106.07682, section 3 (stitching)",
    laws=(IDENTITY, ENDS, PERMUTATIONS, ROTATIONS),
    sets_statistics=True,
)
def late_least_squares(
    states: Sequence[State],
    weights: Sequence[float],
    *,
    context: MethodContext,
    alone: Annotated[
        float, Says("share of the layers, from the first, that are those of the first model", 0, 1)
    ] = 0.67,
) -> Fused:
    """The first layers of the first model, the others refitted to the parents' mean output there.

    weights: one per state, summing to 1; the first layers are those of the first of any weight.
    What belongs to modules that begin before the first mixed layer is that model's as well, and the
    last layer is always mixed; else as in `least_squares`.
    Raises: ValueError as `weighted_mean` does; RecipeError without calibration batches.
    """
    merged, kept = refitted(states, weights, context, fusion="late-least-squares", alone=alone)
    return Fused(merged, kept=kept)
