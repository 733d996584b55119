"""Coordinate descent: one exact assignment per group of spaces, given all others."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from hubmerge.matching.similarity.bfloat16 import (
    Lengths,
    device_of,
    is_certified_optimal,
    lengths,
    rough,
)
from hubmerge.matching.similarity.shelf import Shelf
from hubmerge.matching.similarity.weights import (
    group_similarities,
    share_moved,
    updated_similarities,
)
from hubmerge.matching.solvers.frank_wolfe import RENEW
from hubmerge.matching.solvers.group_assignment import best_element, joined, part_of, worth
from hubmerge.matching.solvers.space_assignment import Warm
from hubmerge.specs.spec import Group, Spec
from hubmerge.symmetry.element import Symmetry
from hubmerge.symmetry.on_demand import OnDemand
from hubmerge.symmetry.permutation import State, identity

PROGRESS = 1e-7
"""Relative rise of the objective below which an assignment counts as no better (float32 products:
arXiv:2209.04836's own threshold of 1e-12 lies below their rounding)."""
RISKED = 2
"""Rough products that may be in vain before no more are made, if none is of use."""


def descend(
    spec: Spec,
    anchor: State,
    other: State,
    *,
    start: Symmetry | None = None,
    seed: int = 0,
    sweeps: int = 100,
) -> tuple[Symmetry, str]:
    """The symmetry coordinate descent ends in, and a sentence on how it ended.

    Uses all that `spec` allows: anchor and other are in canonical form, if anything may be rotated
    or mapped. start: where to begin; None begins with every space unknown.
    """
    search = _Search(spec, anchor, other, start)
    order = np.random.default_rng(seed)
    groups = spec.groups
    for sweep in range(sweeps):
        changed = [search.visit(groups[k]) for k in order.permutation(len(groups))]
        if not any(changed):
            return search.found, f"converged after {sweep + 1} sweep{'s' if sweep else ''}"
    return search.found, f"out of sweeps: {sweeps} were not enough, raise `sweeps`"


@dataclass
class _Seen:
    """What is kept of a group between two visits."""

    permutation: dict[str, Tensor]
    """Of all spaces, as the similarities have it."""
    exact: bool
    """Whether they were multiplied in float32."""


class _Search:
    """The symmetry so far, and what is unknown or out of date."""

    def __init__(self, spec: Spec, anchor: State, other: State, start: Symmetry | None) -> None:
        self.spec, self.anchor, self.other = spec, anchor, other
        self.found = start or Symmetry(identity(spec))
        self.stale = {group.root for group in spec.groups}
        self.unvisited = set() if start is not None else set(self.stale)
        self.group_of = {name: group for group in spec.groups for name in group.members}
        self.seen: dict[str, _Seen] = {}
        self.kept = Shelf(on_disk=isinstance(other, OnDemand))
        self.warm: Warm = {}
        self.rough = rough(device_of(other))
        self.lengths: dict[str, Lengths] = {}
        self.rough_pays = RISKED if self.rough != torch.float32 and not spec.mapped_spaces() else 0

    def visit(self, group: Group) -> bool:
        """Solves one group given the others. True if that changed anything, or may yet."""
        if group.root not in self.stale:
            return False
        first = group.root in self.unvisited
        self.unvisited.discard(group.root)
        unknown = frozenset(n for root in self.unvisited for n in self.group_of[root].members)
        current = part_of(self.found, group.members, inside=True)
        similarities, best = self._solve(group, unknown)
        better = worth(self.spec, similarities, best) - worth(self.spec, similarities, current)
        scale = sum(_largest(s) * s.shape[-1] for s in similarities.values())
        if not unknown:
            self.stale.discard(group.root)
        progress = better > PROGRESS * scale
        # A rotation gains ever less: what it gains last is taken, but no reason to go on.
        if progress or (best.maps and better > 0):
            self.found = joined([part_of(self.found, group.members, inside=False), best])
        if not progress:
            return first or bool(unknown)
        self.stale.update(self._neighbours(group))
        return True

    def _solve(self, group: Group, unknown: frozenset[str]) -> tuple[dict[str, Tensor], Symmetry]:
        """The similarities of a group, and its best element.

        Multiplied roughly where that decides nothing for good, as long as spaces are unknown, or
        provably decides the same.
        """
        if unknown:
            similarities = self._multiplied(group, unknown, self.rough)
            return similarities, best_element(self.spec, group, similarities, self.warm)
        found = self._brought_up_to_date(group)
        if found is None and self.rough_pays > 0:
            rough = self._multiplied(group, unknown, self.rough)
            found = self._keep(group, rough, exact=False), rough
        if found is not None:
            seen, similarities = found
            best = best_element(self.spec, group, similarities, self.warm)
            if seen.exact or self._surely_best(group, similarities, best):
                return similarities, best
            del found, similarities
        similarities = self._multiplied(group, unknown, torch.float32)
        self._keep(group, similarities, exact=True)
        return similarities, best_element(self.spec, group, similarities, self.warm)

    def _multiplied(
        self, group: Group, unknown: frozenset[str], products: torch.dtype
    ) -> dict[str, Tensor]:
        return group_similarities(
            self.spec,
            self.anchor,
            self.other,
            group,
            self.found.permutation,
            unknown,
            maps=self.found.maps,
            dtype=torch.float32,
            products=products,
        )

    def _brought_up_to_date(self, group: Group) -> tuple[_Seen, dict[str, Tensor]] | None:
        """What was seen of a group at its last visit, where little has changed since."""
        seen = self.seen.get(group.root)
        if seen is None or self.spec.mapped_spaces():
            return None
        permutation = self.found.permutation
        if share_moved(self.spec, group, permutation, seen.permutation) > RENEW:
            return None
        similarities = updated_similarities(
            self.spec,
            self.anchor,
            self.other,
            group,
            permutation,
            seen.permutation,
            self.kept[group.root],
        )
        return self._keep(group, similarities, exact=seen.exact), similarities

    def _keep(self, group: Group, similarities: dict[str, Tensor], *, exact: bool) -> _Seen:
        seen = _Seen(dict(self.found.permutation), exact)
        if not self.spec.mapped_spaces():
            self.seen[group.root], self.kept[group.root] = seen, similarities
        return seen

    def _surely_best(self, group: Group, similarities: dict[str, Tensor], best: Symmetry) -> bool:
        """Whether rounding cannot have decided; where it often may, it is not asked again."""
        if group.root not in self.lengths:
            self.lengths[group.root] = lengths(self.spec, group, self.anchor, self.other)
        longest = self.lengths[group.root]
        sure = is_certified_optimal(self.spec, group, similarities, best.permutation, longest)
        self.rough_pays += 1 if sure else -1
        return sure

    def _neighbours(self, group: Group) -> set[str]:
        tensors = {t for name in group.members for t in self.spec.touched_by[name]}
        names = {n for t in tensors for n in self.spec.tensors[t].names()}
        return {self.group_of[n].root for n in names if n in self.group_of} - {group.root}


def _largest(similarity: Tensor) -> float:
    """The largest entry, signs aside."""
    low, high = similarity.aminmax()
    return max(float(high), -float(low))
