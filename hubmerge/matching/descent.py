"""Coordinate descent: one exact assignment per group of spaces, given all others."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from hubmerge.assignment import Assignment, linear_assignment
from hubmerge.matching.assignment import assign_nested
from hubmerge.matching.moments import Moments
from hubmerge.matching.registry import matcher
from hubmerge.matching.result import Match, describe_spaces
from hubmerge.matching.similarity import (
    correlations,
    group_similarities,
    parameters,
    total_similarity,
    updated_similarities,
)
from hubmerge.spec.permutation import Permutation, State, identity
from hubmerge.spec.spec import Group, Spec
from hubmerge.spec.symmetry import Symmetry

PROGRESS = 1e-7
"""Relative rise of the objective below which an assignment counts as no better (float32 products:
arXiv:2209.04836's own threshold of 1e-12 lies below their rounding)."""
RENEW = 0.5
"""Share of what is multiplied for a group that must have moved for its products to be made anew."""


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


@dataclass
class _Seen:
    """What is kept of a group between two visits."""

    similarities: dict[str, Tensor]
    permutation: dict[str, Tensor]
    """Of all spaces, as the similarities have it."""
    best: Assignment | None


class _Search:
    """The permutation so far, and what is unknown or out of date."""

    def __init__(self, spec: Spec, anchor: State, other: State, start: Permutation | None) -> None:
        self.spec, self.anchor, self.other = spec, anchor, other
        self.permutation = {**identity(spec), **(start or {})}
        self.stale = {group.root for group in spec.groups}
        self.unvisited = set() if start is not None else set(self.stale)
        self.group_of = {name: group for group in spec.groups for name in group.members}
        self.seen: dict[str, _Seen] = {}

    def visit(self, group: Group) -> bool:
        """Solves one group given the others. True if that changed anything, or may yet."""
        if group.root not in self.stale:
            return False
        first = group.root in self.unvisited
        self.unvisited.discard(group.root)
        unknown = frozenset(n for root in self.unvisited for n in self.group_of[root].members)
        similarities = self._similarities(group, unknown)
        found = self._solve(group, similarities)
        current = {name: self.permutation[name] for name in group.members}
        better = total_similarity(self.spec, similarities, found) - total_similarity(
            self.spec, similarities, current
        )
        scale = sum(_largest(s) * s.shape[-1] for s in similarities.values())
        if not unknown:
            self.stale.discard(group.root)
        if better <= PROGRESS * scale:
            return first or bool(unknown)
        self.permutation.update(found)
        self.stale.update(self._neighbours(group))
        return True

    def _similarities(self, group: Group, unknown: frozenset[str]) -> dict[str, Tensor]:
        """Brought up to date where little has changed since the last visit, else made anew."""
        seen = self.seen.get(group.root)
        if seen is None or unknown or self._changed(group, seen.permutation) > RENEW:
            similarities = group_similarities(
                self.spec,
                self.anchor,
                self.other,
                group,
                self.permutation,
                unknown,
                dtype=torch.float32,
            )
        else:
            similarities = updated_similarities(
                self.spec,
                self.anchor,
                self.other,
                group,
                self.permutation,
                seen.permutation,
                seen.similarities,
            )
        if not unknown:
            best = seen.best if seen else None
            self.seen[group.root] = _Seen(similarities, dict(self.permutation), best)
        return similarities

    def _changed(self, group: Group, earlier: Permutation) -> float:
        """Share of the entries multiplied for `group` that have moved."""
        moved = {
            name: float((index != earlier[name]).float().mean())
            for name, index in self.permutation.items()
            if name not in group.members
        }
        changed = total = 0.0
        for tensor in parameters(self.spec, group.members):
            size = float(self.other[tensor].numel())
            kept = 1.0
            for name in set(self.spec.tensors[tensor].names()):
                kept *= 1 - moved.get(name, 0.0)
            total += size
            changed += size * (1 - kept)
        return changed / max(total, 1.0)

    def _solve(self, group: Group, similarities: dict[str, Tensor]) -> dict[str, Tensor]:
        """The best permutations of the group; a lone space starts from its last assignment."""
        root = group.root
        if group.children or self.spec.ancestors(root) or root not in similarities:
            return assign_nested(self.spec, root, similarities)
        seen = self.seen.get(root)
        best = linear_assignment(similarities[root].numpy(), warm=seen.best if seen else None)
        if seen:
            seen.best = best
        return {root: torch.from_numpy(best.columns)}

    def _neighbours(self, group: Group) -> set[str]:
        tensors = {t for name in group.members for t in self.spec.touched_by[name]}
        names = {n for t in tensors for n in self.spec.tensors[t].names()}
        return {self.group_of[n].root for n in names if n in self.group_of} - {group.root}


def _largest(similarity: Tensor) -> float:
    """The largest entry, signs aside."""
    low, high = similarity.aminmax()
    return max(float(high), -float(low))
