"""From every model's symmetry into a reference order to one match per model after the first."""

from __future__ import annotations

from collections.abc import Sequence

from hubmerge.matching.multi.coordinate_ascent import part_of
from hubmerge.matching.multi.registry import MultiMatchProblem
from hubmerge.matching.result import Correlations, Match, describe_spaces
from hubmerge.matching.similarity.activations import matched_correlations, similarities_of
from hubmerge.matching.similarity.cosine import correlations
from hubmerge.specs.spec import Spec
from hubmerge.symmetry.balance import (
    UNBALANCED,
    Balance,
    balance_of,
)
from hubmerge.symmetry.canonical import canonical
from hubmerge.symmetry.element import Symmetry, compose, invert, transform
from hubmerge.symmetry.permutation import State, identity


def between(spec: Spec, reference: Sequence[Symmetry], p: int, q: int) -> Symmetry:
    """What brings model q into the order of model p, through the reference order."""
    return compose(spec, reference[q], invert(spec, reference[p]))


def matches_towards_first(
    problem: MultiMatchProblem, reference: Sequence[Symmetry], outcome: str
) -> list[Match]:
    """One match per model after the first, which stays as it is.

    reference: one element per model, into an order common to all.
    """
    return [
        _match(problem, q, between(problem.spec, reference, 0, q), outcome)
        for q in range(1, len(reference))
    ]


def _match(problem: MultiMatchProblem, q: int, symmetry: Symmetry, outcome: str) -> Match:
    spec, method = problem.spec, problem.matcher.name
    balance = UNBALANCED
    if symmetry.maps:
        balance = balance_of(spec, problem.states[0], problem.states[q])
    found = _correlations(problem, q, symmetry, balance)
    spaces = describe_spaces(spec, symmetry, found, balance)
    return Match(method, spec, symmetry.permutation, outcome, spaces, symmetry.maps)


def _correlations(
    problem: MultiMatchProblem, q: int, symmetry: Symmetry, balance: Balance
) -> Correlations:
    """Space -> mean correlation of model q's units with the first's: as matched, as given."""
    spec, first, other = problem.spec, problem.states[0], problem.states[q]
    if (0, q) in problem.moments:
        similarities = similarities_of(spec, problem.moments[0, q], first, other)
        return matched_correlations(spec, similarities, symmetry, balance)
    if symmetry.maps:
        forms = canonical(spec, first), canonical(spec, other)
        return _in_canonical_form(spec, *forms, symmetry, balance)
    return correlations(spec, first, other, symmetry.permutation)


def _in_canonical_form(
    spec: Spec, first: State, other: State, symmetry: Symmetry, balance: Balance
) -> Correlations:
    """Space -> mean cosine of its units' weights: as matched, and with this space as given."""

    def cosine(space: str, element: Symmetry) -> float:
        moved = transform(spec, other, element)
        return correlations(spec, first, moved, identity(spec))[space][0]

    def as_given(space: str) -> Symmetry:
        rest = part_of(symmetry, [space], inside=False)
        if space not in balance.ours:
            return rest
        still = balance.as_given(spec, space, symmetry.permutation)
        return Symmetry(rest.permutation, {**rest.maps, space: still})

    return {
        space: (cosine(space, symmetry), cosine(space, as_given(space)))
        for space in spec.free_spaces()
    }
