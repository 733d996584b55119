"""Weight matching: line up two models by their parameters alone."""

from __future__ import annotations

from hubmerge.matching.descent import descend
from hubmerge.matching.frank_wolfe import STEPS, Spread, alone, relax
from hubmerge.matching.moments import Moments
from hubmerge.matching.registry import matcher
from hubmerge.matching.relaxed import relax_symmetry
from hubmerge.matching.result import Match, describe_spaces
from hubmerge.matching.similarity import correlations
from hubmerge.spec.canonical import canonical
from hubmerge.spec.permutation import State
from hubmerge.spec.spec import Spec


@matcher(
    "weights",
    source="arXiv:2209.04836, section 3.2; arXiv:2405.17897, section 3.2; arXiv:2506.22712, 4.1",
)
def match_weights(
    spec: Spec,
    anchor: State,
    other: State,
    *,
    moments: Moments | None = None,
    seed: int = 0,
    steps: int = STEPS,
    sweeps: int = 100,
    spread: Spread = alone,
) -> Match:
    """Frank-Wolfe from the barycentre, polished by coordinate descent; needs no data.

    Both climb the same objective, the inner product of the parameters (where a space may be
    rotated or mapped: in canonical form, module by module): Frank-Wolfe on relaxed symmetries,
    until it gains no more or after `steps`, finds the region; then coordinate descent (Git
    Re-Basin, Algorithm 1) in an order drawn from `seed` finds its peak.

    Returns: Match. outcome says how both ended.
    Raises: KeyError, if a state lacks a tensor the spec names; CanonicalError.
    """
    if spec.mapped_spaces():
        anchor, other = canonical(spec, anchor), canonical(spec, other)
        symmetry, outcome = relax_symmetry(spec, anchor, other, seed=seed, spread=spread)
    else:
        start, _ = relax(spec, anchor, other, steps=steps, spread=spread)
        symmetry, outcome = descend(spec, anchor, other, start=start, seed=seed, sweeps=sweeps)
    found = correlations(spec, anchor, other, symmetry.permutation, symmetry.maps)
    spaces = describe_spaces(spec, symmetry, found)
    return Match("weights", spec, symmetry.permutation, outcome, spaces, symmetry.maps)
