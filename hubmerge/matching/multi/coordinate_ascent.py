"""Coordinate ascent on the sum over all pairs of models, every model in a common reference order.

Model p has one symmetry P_p into that order, so that every pair is aligned by P_q^-1 P_p and
all cycles close. Given all models but one, the best element of one group of that one's spaces is
solved exactly; no visit lowers the sum. For activations, where groups do not depend on each other,
this is generalized Procrustes analysis (Gower, Psychometrika 40, 1975), each step one assignment
or polar factor on sum_q P_q S_qp. The objective: arXiv:2405.17897, section 3.2.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from torch import Tensor

from hubmerge.matching.similarity.keys import belonging, innermost, shape_of, spread
from hubmerge.matching.similarity.matched import matched_index
from hubmerge.matching.similarity.weights import group_similarities, parameters
from hubmerge.matching.solvers.coordinate_descent import PROGRESS
from hubmerge.matching.solvers.group_assignment import best_element, joined, part_of, worth
from hubmerge.specs.spec import Group, Spec
from hubmerge.symmetry.element import Symmetry, dual_of, map_tensor
from hubmerge.symmetry.permutation import State, permute_tensor

Similarities = Mapping[str, Tensor]
"""Space -> float64 [outer..., n, outer..., n], as `best_element` takes them."""

Pairs = Mapping[tuple[int, int], Similarities]
"""(p, q), p < q -> how alike the units of models p and q are, rows for p's."""


def climb_weights(
    spec: Spec,
    states: Sequence[State],
    start: Sequence[Symmetry],
    *,
    movable: Sequence[int] | None = None,
    seed: int = 0,
    sweeps: int = 100,
) -> tuple[list[Symmetry], str]:
    """Raises the sum over all pairs of the inner products of the models' parameters.

    states: in canonical form, if anything in `start` is mapped. start: one element per model.
    movable: the models whose elements may change, all by default.
    Visits models and groups in an order drawn from `seed`, until a sweep changes nothing.
    Returns: one element per model, and a sentence on how it ended. Pure.
    """
    search = _Search(spec, states, start)
    order = np.random.default_rng(seed)
    moving = range(len(states)) if movable is None else movable
    visits = [(p, group) for p in moving for group in spec.groups]
    for sweep in range(sweeps):
        changed = [search.visit(*visits[k]) for k in order.permutation(len(visits))]
        if not any(changed):
            return search.found, f"converged after {sweep + 1} sweep{'s' if sweep else ''}"
    return search.found, f"out of sweeps: {sweeps} were not enough, raise `sweeps`"


def climb_similarities(
    spec: Spec, group: Group, pairs: Pairs, start: Sequence[Symmetry], *, sweeps: int = 100
) -> tuple[list[Symmetry], float]:
    """Raises the sum over all pairs of the matched similarities, for one group of spaces.

    Visits the models in their order until a sweep changes nothing.
    Returns: the group's element of every model, and the sum. Pure.
    """
    found = list(start)
    for _ in range(sweeps):
        changed = False
        for p in range(len(found)):
            seen = _seen_by_others(spec, group, pairs, found, p)
            best = best_element(spec, group, seen)
            if _surely_better(spec, seen, best, found[p]):
                found[p], changed = best, True
        if not changed:
            break
    seen_by = [_seen_by_others(spec, group, pairs, found, p) for p in range(len(found))]
    return found, sum(worth(spec, seen, one) for seen, one in zip(seen_by, found, strict=True)) / 2


def agreement(spec: Spec, states: Sequence[State]) -> float:
    """Sum over all pairs of the inner products of the models' parameters, as they stand."""
    names = [name for name in spec.tensors if name not in spec.silent]
    total = 0.0
    for name in names:
        values = [state[name].double() for state in states]
        whole = torch.stack(values).sum(0)
        own = sum(float(value.square().sum()) for value in values)
        total += (float(whole.square().sum()) - own) / 2
    return total


def moved_rows(spec: Spec, space: str, similarity: Tensor, symmetry: Symmetry) -> Tensor:
    """`similarity` [outer..., n, ...] with the units of its rows moved by `symmetry`."""
    depth, mapped = len(shape_of(spec, space)), innermost(space)
    rows = similarity[matched_index(spec, space, symmetry.permutation)[depth:]]
    if mapped not in symmetry.maps:
        return rows
    return (spread(space, symmetry.maps[mapped]) @ rows.flatten(depth)).reshape(rows.shape)


def _seen_by_others(
    spec: Spec, group: Group, pairs: Pairs, found: Sequence[Symmetry], p: int
) -> dict[str, Tensor]:
    """How alike model p's units are to those of all others together, in the reference order."""
    total: dict[str, Tensor] = {}
    for q, element in enumerate(found):
        if q == p:
            continue
        for space, values in belonging(group, pairs[min(p, q), max(p, q)]).items():
            depth = values.ndim // 2
            back = [*range(depth, 2 * depth), *range(depth)]
            ours = values if q < p else values.permute(back)
            rows = moved_rows(spec, space, ours, element)
            total[space] = total[space] + rows if space in total else rows
    return total


def _surely_better(
    spec: Spec, similarities: Similarities, best: Symmetry, current: Symmetry
) -> bool:
    """Whether `best` is worth more than `current` by more than sums may be off."""
    scale = sum(float(s.abs().max()) * s.shape[-1] for s in similarities.values())
    gained = worth(spec, similarities, best) - worth(spec, similarities, current)
    return gained > PROGRESS * scale


class _Search:
    """Every model's element so far, its tensors in the reference order, and the sum of those."""

    def __init__(self, spec: Spec, states: Sequence[State], start: Sequence[Symmetry]) -> None:
        self.spec, self.states, self.found = spec, states, list(start)
        roots = tuple(name for group in spec.groups for name in group.members)
        self.names = parameters(spec, roots)
        self.unsigned = spec.unsigned if any(s.maps for s in start) else frozenset()
        self.moved = [
            {name: self._placed(p, name, self.found[p]) for name in self.names}
            for p in range(len(states))
        ]
        self.whole = {name: sum_of([one[name] for one in self.moved]) for name in self.names}

    def visit(self, p: int, group: Group) -> bool:
        """Solves one group of model p given everything else. True if that changed anything."""
        rest = part_of(self.found[p], group.members, inside=False)
        current = part_of(self.found[p], group.members, inside=True)
        touched = parameters(self.spec, group.members)
        theirs = {name: self._placed(p, name, rest) for name in touched}
        others = {name: self.whole[name] - self.moved[p][name] for name in touched}
        seen = group_similarities(self.spec, others, theirs, group, {})
        best = best_element(self.spec, group, seen)
        if not _surely_better(self.spec, seen, best, current):
            return False
        self.found[p] = joined([rest, best])
        for name in touched:
            self.moved[p][name] = self._placed(p, name, self.found[p])
            self.whole[name] = sum_of([one[name] for one in self.moved])
        return True

    def _placed(self, p: int, name: str, symmetry: Symmetry) -> Tensor:
        """One tensor of model p after `symmetry`; what maps do not mix, as nothing."""
        value, layout = self.states[p][name].double(), self.spec.tensors[name]
        if name in self.unsigned:
            return torch.zeros_like(value)
        duals = {s: dual_of(self.spec, s, m) for s, m in symmetry.maps.items()}
        value = permute_tensor(self.spec, value, layout, symmetry.permutation)
        return map_tensor(self.spec, value, layout, symmetry.maps, duals)


def sum_of(values: Sequence[Tensor]) -> Tensor:
    """Their sum, always in the same order."""
    total = values[0]
    for value in values[1:]:
        total = total + value
    return total
