"""MergeMany: each model in turn matched to the mean of all others, until nothing is gained."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from torch import Tensor

from hubmerge.matching.multi.coordinate_ascent import agreement, sum_of
from hubmerge.matching.multi.registry import MultiMatchProblem, multi_matcher
from hubmerge.matching.multi.to_anchor import matches_towards_first
from hubmerge.matching.result import Match
from hubmerge.matching.solvers.coordinate_descent import PROGRESS
from hubmerge.symmetry.element import Symmetry, compose, transform
from hubmerge.symmetry.permutation import State

ROUNDS = 100
"""Times every model is visited, at most."""


@multi_matcher(source="arXiv:2209.04836, Algorithm 3", without_data=True)
def merge_many(problem: MultiMatchProblem) -> list[Match]:
    """Matches each model in turn to the mean of all others, by permutations alone.

    In an order drawn from the seed. A match is kept if it raises the sum over all pairs of the
    parameters' inner products, which the paper's coordinate descent cannot lower; so it ends.
    The mean of models in canonical form is not in that form: nothing is rotated or mapped.
    """
    problem = replace(problem, spec=problem.spec.unmapped)
    spec = problem.spec
    found = [Symmetry({}) for _ in problem.states]
    moved: list[State] = list(problem.states)
    order = np.random.default_rng(problem.seed)
    reached = agreement(spec, moved)
    outcome = f"out of rounds: {ROUNDS} were not enough"
    for round_ in range(ROUNDS):
        changed = False
        for p in map(int, order.permutation(len(moved))):
            others = mean_of([state for q, state in enumerate(moved) if q != p])
            step = problem.match_states(others, moved[p]).symmetry
            there = transform(spec, moved[p], step)
            then = agreement(spec, [*moved[:p], there, *moved[p + 1 :]])
            if then > reached + PROGRESS * abs(reached):
                found[p], moved[p] = compose(spec, found[p], step), there
                reached, changed = then, True
        if not changed:
            outcome = f"converged after {round_ + 1} rounds"
            break
    whole = f"{len(found)} models, each towards the mean of the others: {outcome}"
    return matches_towards_first(problem, found, whole)


def mean_of(states: Sequence[State]) -> dict[str, Tensor]:
    """Tensor by tensor, floating ones in float64; others, such as counters, are the first's."""
    return {
        name: sum_of([state[name].double() for state in states]) / len(states)
        if value.is_floating_point()
        else value
        for name, value in states[0].items()
    }
