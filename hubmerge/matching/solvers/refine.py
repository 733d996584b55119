"""From a symmetry found by other means to the peak of the weights' objective near it."""

from __future__ import annotations

from hubmerge.matching.solvers.coordinate_descent import descend
from hubmerge.specs.spec import Spec
from hubmerge.symmetry.canonical import canonical
from hubmerge.symmetry.element import Symmetry
from hubmerge.symmetry.permutation import State

SWEEPS = 10
"""Visits of every group where anything is rotated or mapped: each gains less than the one before,
and none gains nothing."""


def refined(
    spec: Spec, anchor: State, other: State, start: Symmetry, *, seed: int = 0
) -> tuple[Symmetry, str]:
    """What coordinate ascent on the inner product of the parameters makes of `start`.

    Each step is an exact solution for one group given all others: an assignment, or the polar
    factor for what is rotated or mapped (both models are in canonical form then).
    Returns: the symmetry, and a sentence on how it ended. Raises: CanonicalError.
    """
    if not start.maps:
        plain = spec.permutations_only
        found, outcome = descend(plain, anchor, other, start=start, seed=seed)
        return found, f"refined on the weights: {outcome}"
    first, last = canonical(spec, anchor), canonical(spec, other)
    found, outcome = descend(spec, first, last, start=start, seed=seed, sweeps=SWEEPS)
    if not outcome.startswith("converged"):
        outcome = f"{SWEEPS} sweeps"
    return found, f"refined on the weights: {outcome}"
