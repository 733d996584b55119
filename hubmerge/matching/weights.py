"""Weight matching: line up two models by their parameters alone."""

from __future__ import annotations

from hubmerge.matching.descent import descend
from hubmerge.matching.frank_wolfe import relax
from hubmerge.matching.moments import Moments
from hubmerge.matching.registry import matcher
from hubmerge.matching.result import Match, describe_spaces
from hubmerge.matching.similarity import correlations
from hubmerge.spec.permutation import State
from hubmerge.spec.spec import Spec
from hubmerge.spec.symmetry import Symmetry


@matcher("weights", source="arXiv:2209.04836, section 3.2; arXiv:2405.17897, section 3.2")
def match_weights(
    spec: Spec,
    anchor: State,
    other: State,
    *,
    moments: Moments | None = None,
    seed: int = 0,
    steps: int = 100,
    sweeps: int = 100,
) -> Match:
    """Frank-Wolfe from the barycentre, polished by coordinate descent; needs no data.

    Both climb the same objective, the inner product of the parameters: Frank-Wolfe on relaxed
    permutations, until it gains no more or after `steps`, finds the region; then coordinate
    descent (Git Re-Basin, Algorithm 1) in an order drawn from `seed` finds its peak.

    Returns: Match. outcome is "converged" or "out of sweeps".
    Raises: KeyError, if a state lacks a tensor the spec names.
    """
    start = relax(spec, anchor, other, steps=steps)
    permutation, outcome = descend(spec, anchor, other, start=start, seed=seed, sweeps=sweeps)
    found = correlations(spec, anchor, other, permutation)
    return Match(
        "weights", spec, permutation, outcome, describe_spaces(spec, Symmetry(permutation), found)
    )
