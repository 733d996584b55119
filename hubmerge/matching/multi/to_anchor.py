"""From every model's symmetry into a reference order to one match per model after the first."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from hubmerge.matching.multi.coordinate_ascent import part_of
from hubmerge.matching.multi.registry import MultiMatchProblem
from hubmerge.matching.result import Match, describe_spaces
from hubmerge.matching.similarity.activations import matched_correlations, similarities_of
from hubmerge.matching.similarity.cosine import correlations
from hubmerge.specs.spec import Spec
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
    spaces = describe_spaces(spec, symmetry, _correlations(problem, q, symmetry))
    return Match(method, spec, symmetry.permutation, outcome, spaces, symmetry.maps)


def _correlations(
    problem: MultiMatchProblem, q: int, symmetry: Symmetry
) -> Mapping[str, tuple[float, float]]:
    """Space -> mean correlation of model q's units with the first's: as matched, as given."""
    spec, first, other = problem.spec, problem.states[0], problem.states[q]
    if (0, q) in problem.moments:
        similarities = similarities_of(spec, problem.moments[0, q], first, other)
        return matched_correlations(spec, similarities, symmetry)
    if symmetry.maps:
        return _in_canonical_form(spec, canonical(spec, first), canonical(spec, other), symmetry)
    return correlations(spec, first, other, symmetry.permutation)


def _in_canonical_form(
    spec: Spec, first: State, other: State, symmetry: Symmetry
) -> dict[str, tuple[float, float]]:
    """Space -> mean cosine of its units' weights: as matched, and with this space as given."""

    def cosine(space: str, element: Symmetry) -> float:
        moved = transform(spec, other, element)
        return correlations(spec, first, moved, identity(spec))[space][0]

    return {
        space: (
            cosine(space, symmetry),
            cosine(space, part_of(symmetry, [space], inside=False)),
        )
        for space in spec.free_spaces()
    }
