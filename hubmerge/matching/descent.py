"""Coordinate descent: one exact assignment per group of spaces, given all others."""

from __future__ import annotations

import numpy as np
from torch import Tensor

from hubmerge.matching.assignment import assign_nested
from hubmerge.matching.moments import Moments
from hubmerge.matching.registry import matcher
from hubmerge.matching.result import Match, describe_spaces
from hubmerge.matching.similarity import correlations, group_similarities, total_similarity
from hubmerge.spec.permutation import Permutation, State, identity
from hubmerge.spec.spec import Group, Spec
from hubmerge.spec.symmetry import Symmetry

PROGRESS = 1e-9
"""Relative rise of the objective below which an assignment counts as no better (float64 sums)."""


@matcher("descent", source="arXiv:2209.04836, section 3.2, Algorithm 1")
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
    permutation, outcome = descend(spec, anchor, other, seed=seed, sweeps=sweeps)
    found = correlations(spec, anchor, other, permutation)
    return Match(
        "descent", spec, permutation, outcome, describe_spaces(spec, Symmetry(permutation), found)
    )


def descend(
    spec: Spec,
    anchor: State,
    other: State,
    *,
    start: Permutation | None = None,
    seed: int = 0,
    sweeps: int = 100,
) -> tuple[dict[str, Tensor], str]:
    """The permutation coordinate descent ends in, and a sentence on how it ended.

    start: where to begin; None begins with every space unknown.
    """
    search = _Search(spec, anchor, other, start)
    order = np.random.default_rng(seed)
    groups = spec.groups
    for sweep in range(sweeps):
        changed = [search.visit(groups[k]) for k in order.permutation(len(groups))]
        if not any(changed):
            return search.permutation, f"converged after {sweep + 1} sweeps"
    return search.permutation, f"out of sweeps: {sweeps} were not enough, raise `sweeps`"


class _Search:
    """The permutation so far, and what is unknown or out of date."""

    def __init__(self, spec: Spec, anchor: State, other: State, start: Permutation | None) -> None:
        self.spec, self.anchor, self.other = spec, anchor, other
        self.permutation = {**identity(spec), **(start or {})}
        self.stale = {group.root for group in spec.groups}
        self.unvisited = set() if start is not None else set(self.stale)
        self.group_of = {name: group for group in spec.groups for name in group.members}

    def visit(self, group: Group) -> bool:
        """Solves one group given the others. True if that changed anything, or may yet."""
        if group.root not in self.stale:
            return False
        first = group.root in self.unvisited
        self.unvisited.discard(group.root)
        unknown = frozenset(n for root in self.unvisited for n in self.group_of[root].members)
        similarities = group_similarities(
            self.spec, self.anchor, self.other, group, self.permutation, unknown
        )
        found = assign_nested(self.spec, group.root, similarities)
        current = {name: self.permutation[name] for name in group.members}
        better = total_similarity(self.spec, similarities, found) - total_similarity(
            self.spec, similarities, current
        )
        scale = sum(float(s.abs().max()) * s.shape[-1] for s in similarities.values())
        if not unknown:
            self.stale.discard(group.root)
        if better <= PROGRESS * scale:
            return first or bool(unknown)
        self.permutation.update(found)
        self.stale.update(self._neighbours(group))
        return True

    def _neighbours(self, group: Group) -> set[str]:
        tensors = {t for name in group.members for t in self.spec.touched_by[name]}
        names = {n for t in tensors for n in self.spec.tensors[t].names()}
        return {self.group_of[n].root for n in names if n in self.group_of} - {group.root}
