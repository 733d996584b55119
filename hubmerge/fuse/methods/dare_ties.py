"""DARE with TIES: random dropping instead of trimming, then the election of signs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

from torch import Tensor

from hubmerge.fuse._dropping import RESCALES, Rescale
from hubmerge.fuse._task_vectors import AGREEING, each, elected, onto_masked
from hubmerge.fuse.methods.dare import by_density, random_mask
from hubmerge.fuse.options import PerModel, Says
from hubmerge.fuse.registry import fusion
from hubmerge.symmetry.permutation import State


@fusion(
    source="arXiv:2311.03099, section 3; arXiv:2306.01708, section 3", random=True, tensorwise=True
)
def dare_ties(
    states: Sequence[State],
    weights: Sequence[float],
    *,
    base: State,
    seed: int,
    density: Annotated[PerModel, Says("share of each task vector that is kept", 1e-3, 1)] = 0.5,
    scale: Annotated[float, Says("what the merged task vector is multiplied by")] = 1.0,
    normalize: Annotated[bool, Says(AGREEING)] = True,
    rescale: Annotated[Rescale, Says(RESCALES)] = "probability",
) -> dict[str, Tensor]:
    """A random share of each task vector, rescaled; then the mean where signs agree."""
    densities = each(density, len(states))
    divided = rescale == "probability"

    def combine(name: str, deltas: Tensor, shares: Tensor) -> Tensor:
        kept = by_density(deltas, densities) if divided else deltas
        return scale * elected(kept, shares, normalize=normalize)

    return onto_masked(base, states, weights, random_mask(densities, seed, rescale), combine)
