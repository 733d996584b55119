"""One reference order for all models: each model gets one symmetry into it, so all cycles close."""

from __future__ import annotations

from itertools import combinations
from math import prod

import torch
from torch import Tensor

from hubmerge.matching.multi.coordinate_ascent import (
    Pairs,
    agreement,
    climb_similarities,
    climb_weights,
    joined,
    moved_rows,
)
from hubmerge.matching.multi.registry import MultiMatchProblem, multi_matcher
from hubmerge.matching.multi.to_anchor import matches_towards_first
from hubmerge.matching.result import Match
from hubmerge.matching.similarity.activations import similarities_of
from hubmerge.matching.similarity.keys import belonging
from hubmerge.matching.solvers.group_assignment import best_element
from hubmerge.specs.spec import Group, Spec
from hubmerge.symmetry.canonical import canonical
from hubmerge.symmetry.element import Symmetry, invert, transform
from hubmerge.symmetry.permutation import State, identity

CORRELATIONS = ("activations", "synthetic")
"""The matchers that raise the correlations of the units they bring together."""

SURELY = 1e-9
"""Relative rise of a sum of float64 products below which two solutions count as equally good."""


@multi_matcher(source="arXiv:2405.17897, section 3.2", all_pairs=True)
def cycle_consistent(problem: MultiMatchProblem) -> list[Match]:
    """Matches all pairs jointly: each model gets one symmetry into a common reference order.

    Raises the sum over all pairs of what the matcher raises for one: the inner product of the
    parameters, or the correlations of the activations. For a matcher that raises something else,
    of the agreement with its matches of the pairs (permutation synchronization: D. Pachauri,
    R. Kondor, V. Singh, NeurIPS 2013). Begins at the best of the stars (all matched to one of
    them) and climbs by coordinate ascent, so it is never worse than any star.
    P_AC = P_BC P_AB by construction.
    """
    if not problem.moments:
        found, outcome = _by_weights(problem)
    elif problem.matcher.name in CORRELATIONS:
        found, outcome = _by_similarities(problem, _correlated(problem))
    else:
        found, outcome = _by_similarities(problem, _matched(problem))
    count = len(problem.states)
    return matches_towards_first(problem, found, f"{count} models jointly: {outcome}")


def _correlated(problem: MultiMatchProblem) -> Pairs:
    """How alike the units of each pair are by what they do."""
    spec, states = problem.spec, problem.states
    return {
        (p, q): similarities_of(spec, moments, states[p], states[q])
        for (p, q), moments in problem.moments.items()
    }


def _matched(problem: MultiMatchProblem) -> Pairs:
    """What the matcher itself says of each pair, as votes for the units it brings together."""
    spec = problem.spec
    pairs = combinations(range(len(problem.states)), 2)
    found = {(p, q): problem.match(p, q).symmetry for p, q in pairs}
    return {
        pair: {space: votes(spec, space, symmetry) for space in spec.free_spaces()}
        for pair, symmetry in found.items()
    }


def votes(spec: Spec, space: str, symmetry: Symmetry) -> Tensor:
    """A symmetry of one space as a similarity [outer..., n, outer..., n], rows the anchor's.

    1 where it brings two units together, 0 elsewhere; where it maps, the map's entries.
    """
    shape = spec.index_shape(space)
    still = torch.eye(prod(shape), dtype=torch.float64).reshape(*shape, *shape)
    return moved_rows(spec, space, still, symmetry)


def _by_similarities(problem: MultiMatchProblem, pairs: Pairs) -> tuple[list[Symmetry], str]:
    """Group by group: the best of the climbs from every star."""
    spec, count = problem.spec, len(problem.states)
    parts = []
    for group in spec.groups:
        best, reached = climb_similarities(spec, group, pairs, _star(spec, group, pairs, count, 0))
        for centre in range(1, count if count > 2 else 1):
            start = _star(spec, group, pairs, count, centre)
            found, value = climb_similarities(spec, group, pairs, start)
            if value > reached + SURELY * abs(reached):
                best, reached = found, value
        parts.append(best)
    found = [joined(elements) for elements in zip(*parts, strict=True)]
    return found, "generalized Procrustes on all pairs"


def _star(spec: Spec, group: Group, pairs: Pairs, count: int, centre: int) -> list[Symmetry]:
    """Every model's element of `group` that matches it to model `centre` alone."""
    untouched = identity(spec)
    still = Symmetry({name: untouched[name] for name in group.members if name in untouched})
    found = []
    for q in range(count):
        if q == centre:
            found.append(still)
            continue
        members = belonging(group, pairs[min(centre, q), max(centre, q)])
        one = best_element(spec, group, members)
        found.append(one if centre < q else invert(spec, one))
    return found


def _by_weights(problem: MultiMatchProblem) -> tuple[list[Symmetry], str]:
    """The best star of pairwise matches, and the climb from it."""
    spec, count = problem.spec, len(problem.states)
    matched = {
        (p, q): problem.match(p, q).symmetry for p in range(count) for q in range(p + 1, count)
    }
    mapped = any(symmetry.maps for symmetry in matched.values())
    if not mapped:  # the matcher only reorders, and what it did not look for is not climbed
        spec = spec.permutations_only
    states: list[State] = [canonical(spec, state) if mapped else state for state in problem.states]
    stars = [
        [_towards(spec, matched, centre, q) for q in range(count)]
        for centre in range(count if count > 2 else 1)
    ]
    best, reached = stars[0], _reached(spec, states, stars[0])
    for star in stars[1:]:
        value = _reached(spec, states, star)
        if value > reached + SURELY * abs(reached):
            best, reached = star, value
    return climb_weights(spec, states, best, seed=problem.seed)


def _towards(spec: Spec, matched: dict[tuple[int, int], Symmetry], centre: int, q: int) -> Symmetry:
    if q == centre:
        return Symmetry(identity(spec))
    return matched[centre, q] if centre < q else invert(spec, matched[q, centre])


def _reached(spec: Spec, states: list[State], elements: list[Symmetry]) -> float:
    moved = [transform(spec, state, one) for state, one in zip(states, elements, strict=True)]
    return agreement(spec, moved)
