"""Coordinate descent: one exact assignment per group of spaces, given all others."""

from __future__ import annotations

from hubmerge.matching.registry import matcher
from hubmerge.matching.result import Match, describe_spaces
from hubmerge.matching.similarity.cosine import correlations
from hubmerge.matching.similarity.moments import Moments
from hubmerge.matching.solvers.coordinate_descent import descend
from hubmerge.specs.spec import Spec
from hubmerge.symmetry.permutation import State


@matcher(source="arXiv:2209.04836, section 3.2, Algorithm 1")
def match_descent(
    spec: Spec,
    anchor: State,
    other: State,
    *,
    moments: Moments | None = None,
    seed: int = 0,
    sweeps: int = 100,
) -> Match:
    """Coordinate descent on the inner product of the parameters: one assignment per space.

    Visits the groups of spaces in an order drawn from `seed`, each time solving for the best
    permutation given all others, until a whole sweep changes nothing. In the first sweep a space
    not yet visited counts as its barycentre (averaged out), which is what is known of it.

    Returns: Match. outcome is "converged" or "out of sweeps".
    Raises: KeyError, if a state lacks a tensor the spec names.
    """
    plain = spec.permutations_only
    symmetry, outcome = descend(plain, anchor, other, seed=seed, sweeps=sweeps)
    found = correlations(plain, anchor, other, symmetry.permutation)
    spaces = describe_spaces(spec, symmetry, found)
    return Match("descent", spec, symmetry.permutation, outcome, spaces)
