"""Leaving a model as it came: the candidate that every match has to beat.

Fine-tunes of one model share its basin. What could be gained there by turning them is what chance
gives to so many free directions, and not worth leaving their common coordinates for. So a match has
to close a share of what keeps two models apart: as large a one as they agree already, half of it at
most. Networks trained apart agree in nothing as they come, and are matched if that helps at all.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from math import prod

import torch

from hubmerge.matching.aligned import aligned
from hubmerge.matching.result import Match, describe_spaces
from hubmerge.matching.similarity.cosine import correlations
from hubmerge.specs.spec import Spec
from hubmerge.symmetry.element import Symmetry
from hubmerge.symmetry.permutation import State, identity

CLOSED = 0.5
"""Most of what keeps two models apart that a match has to close."""

SHARED = 0.5
"""Agreement from which on two models share a basin, unless a match brings them closer."""

PIECE = 2**22
"""Entries of a tensor that are compared together."""

ROUNDING = 1e-9
"""Differences of agreement that say nothing."""


def agreement(spec: Spec, first: State, other: State) -> float:
    """Mean cosine between the matrices and kernels of two models as they stand, in [-1, 1].

    Each counts by the number of its entries.
    """
    sizes = {
        name: prod(layout.sizes)
        for name, layout in spec.tensors.items()
        if len(layout.sizes) > 1 and name not in spec.buffers
    }
    total = sum(_cosine(first[name], other[name]) * size for name, size in sizes.items())
    return total / max(1, sum(sizes.values()))


def _cosine(first: torch.Tensor, other: torch.Tensor) -> float:
    product = ours = theirs = 0.0
    for one, two in zip(first.flatten().split(PIECE), other.flatten().split(PIECE), strict=True):
        left, right = one.double(), two.double()
        product, ours = product + float(left @ right), ours + float(left @ left)
        theirs += float(right @ right)
    sizes = math.sqrt(ours) * math.sqrt(theirs)
    if sizes == 0:
        return float(torch.equal(first, other))
    return product / sizes


def brings_closer(before: float, after: float) -> bool:
    """Whether models agree enough more `after` a match than they did `before`."""
    share = min(max(before, 0.0), CLOSED)
    return after - before > max(ROUNDING, share * (1 - before))


def where_closer(states: Sequence[State], matches: Sequence[Match]) -> tuple[Match, ...]:
    """`matches`, but for those that bring a model no closer to the first than it came.

    states: of all models, the first one among them. Raises: CanonicalError.
    """
    first, *others = states
    found = []
    for match, other in zip(matches, others, strict=True):
        if match.moves:
            spec, there = match.spec, [each.state for each in aligned([first, other], [match])]
            if not brings_closer(agreement(spec, first, other), agreement(spec, *there)):
                match = as_it_came(match, first, other)
        found.append(match)
    return tuple(found)


def as_it_came(match: Match, first: State, other: State) -> Match:
    """What `match` becomes where the identity is kept: no unit moves, and nothing is gained."""
    spec = match.spec.permutations_only
    still = Symmetry(identity(spec))
    spaces = describe_spaces(spec, still, correlations(spec, first, other, still.permutation))
    outcome = f"left as it came, which is as close ({match.outcome})"
    return Match(match.method, spec, still.permutation, outcome, spaces)
