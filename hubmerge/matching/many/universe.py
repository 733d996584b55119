"""One universe for all models: every model gets one symmetry into it, and all cycles close."""

from __future__ import annotations

from hubmerge.matching.activations import similarities_of
from hubmerge.matching.elements import best_element
from hubmerge.matching.many.climb import (
    Pairs,
    agreement,
    climb_similarities,
    climb_weights,
    joined,
)
from hubmerge.matching.many.registry import Gathering, together
from hubmerge.matching.many.towards import matches_towards_first
from hubmerge.matching.result import Match
from hubmerge.spec.canonical import canonical
from hubmerge.spec.permutation import State, identity
from hubmerge.spec.spec import Group, Spec
from hubmerge.spec.symmetry import Symmetry, invert, transform

SURELY = 1e-9
"""Relative rise of a sum of float64 products below which two universes count as equally good."""


@together("universe", source="arXiv:2405.17897, section 3.2", all_pairs=True)
def universe(gathering: Gathering) -> list[Match]:
    """All pairs are matched at once: each model has one place in a common universe.

    Raises the sum over all pairs of what the matcher raises for one: the inner product of the
    parameters, or, with moments, the similarity of the activations. Begins at the best of the
    stars (all matched to one of them) and climbs by coordinate ascent; so it is never worse than
    any star. P_AC = P_BC P_AB by construction.
    """
    if gathering.moments:
        found, outcome = _by_activations(gathering), "generalized Procrustes on all pairs"
    else:
        found, outcome = _by_weights(gathering)
    count = len(gathering.states)
    return matches_towards_first(gathering, found, f"universe of {count} models: {outcome}")


def _by_activations(gathering: Gathering) -> list[Symmetry]:
    """Group by group: the best of the climbs from every star."""
    spec, states, moments = gathering.spec, gathering.states, gathering.moments
    pairs = {(p, q): similarities_of(spec, moments[p, q], states[p], states[q]) for p, q in moments}
    count = len(states)
    parts = []
    for group in spec.groups:
        best, reached = climb_similarities(spec, group, pairs, _star(spec, group, pairs, count, 0))
        for centre in range(1, count if count > 2 else 1):
            start = _star(spec, group, pairs, count, centre)
            found, value = climb_similarities(spec, group, pairs, start)
            if value > reached + SURELY * abs(reached):
                best, reached = found, value
        parts.append(best)
    return [joined(elements) for elements in zip(*parts, strict=True)]


def _star(spec: Spec, group: Group, pairs: Pairs, count: int, centre: int) -> list[Symmetry]:
    """Every model's element of `group` that matches it to model `centre` alone."""
    untouched = identity(spec)
    still = Symmetry({name: untouched[name] for name in group.members})
    found = []
    for q in range(count):
        if q == centre:
            found.append(still)
            continue
        members = {
            name: values
            for name, values in pairs[min(centre, q), max(centre, q)].items()
            if name in group.members
        }
        one = best_element(spec, group, members)
        found.append(one if centre < q else invert(spec, one))
    return found


def _by_weights(gathering: Gathering) -> tuple[list[Symmetry], str]:
    """The best star of pairwise matches, and the climb from it."""
    spec, count = gathering.spec, len(gathering.states)
    matched = {
        (p, q): gathering.match(p, q).symmetry for p in range(count) for q in range(p + 1, count)
    }
    mapped = any(symmetry.maps for symmetry in matched.values())
    states: list[State] = [
        canonical(spec, state) if mapped else state for state in gathering.states
    ]
    stars = [
        [_towards(spec, matched, centre, q) for q in range(count)]
        for centre in range(count if count > 2 else 1)
    ]
    best, reached = stars[0], _reached(spec, states, stars[0])
    for star in stars[1:]:
        value = _reached(spec, states, star)
        if value > reached + SURELY * abs(reached):
            best, reached = star, value
    return climb_weights(spec, states, best, seed=gathering.seed)


def _towards(spec: Spec, matched: dict[tuple[int, int], Symmetry], centre: int, q: int) -> Symmetry:
    if q == centre:
        return Symmetry(identity(spec))
    return matched[centre, q] if centre < q else invert(spec, matched[q, centre])


def _reached(spec: Spec, states: list[State], elements: list[Symmetry]) -> float:
    moved = [transform(spec, state, one) for state, one in zip(states, elements, strict=True)]
    return agreement(spec, moved)
