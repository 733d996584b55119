"""Exact assignment: of one space's units, and of a space with others nested inside it."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor

from hubmerge import assignment
from hubmerge.assignment import Assignment
from hubmerge.assignment.columns import SMALL
from hubmerge.matching.similarity.keys import innermost, is_couple, outermost
from hubmerge.matching.solvers.coupled_spaces import solve_couples
from hubmerge.specs.spec import ROTARY, Spec
from hubmerge.symmetry.element import worth_of_nearest

Warm = dict[str, Assignment]
"""Space -> its last assignment, from which the next one starts."""


def linear_assignment(similarity: np.ndarray) -> np.ndarray:
    """The column for every row that maximises the sum of `similarity` [n, n] over the pairs.

    Raises ValueError if the matrix is not square or holds NaN or infinities.
    """
    return assignment.best_columns(similarity)


def assign_nested(
    spec: Spec,
    root: str,
    similarities: Mapping[str, Tensor],
    *,
    rotated: Mapping[str, Tensor] | None = None,
    warm: Warm | None = None,
) -> dict[str, Tensor]:
    """Permutations of `root` and of all spaces inside it that maximise the summed similarity.

    A pair of outer units is scored by what the best assignment of its inside gains: the head to
    choose is the one whose inside fits best. Pairs that cannot be among the chosen ones by a bound
    on that gain are not solved. Exact, if no tensor composes two spaces that lie within the same
    one; a couple of such is settled by turns. Where `root` lies within fixed spaces, each of their
    units is solved on its own.

    similarities[s]: [outer sizes..., n, outer sizes..., n], float32 or float64, rows for the
        anchor's units and columns for the other's; a space that is missing adds nothing.
    rotated: the same for spaces inside that are mapped instead, and for couples of which one is:
        each gains what the best turn of a pair's block does (the sum of its singular values), and
        has no permutation.
    warm: for a space of its own that is not small: where to start; the new assignment takes its
        place.
    """
    arrays = {name: values.cpu().numpy() for name, values in similarities.items()}
    turned = {name: values.cpu().numpy() for name, values in (rotated or {}).items()}
    if warm is not None and list(arrays) == [root] and arrays[root].ndim == 2 and not turned:
        if len(arrays[root]) <= SMALL:
            return {root: torch.from_numpy(linear_assignment(arrays[root]))}
        warm[root] = assignment.linear_assignment(arrays[root], warm=warm.get(root))
        return {root: torch.from_numpy(warm[root].columns)}
    solver = _Nested(spec, root, turned)
    outer = [spec.sizes[name] for name in spec.ancestors(root)]
    found = []
    for place in np.ndindex(*outer):
        pair = {name: _restrict(values, place, place) for name, values in (arrays | turned).items()}
        found.append(solver.solve(root, pair)[1])
    stacked = {name: np.stack([one[name] for one in found]) for name in found[0]}
    return {
        name: torch.from_numpy(index.reshape(*outer, *index.shape[1:]))
        for name, index in stacked.items()
    }


Arrays = Mapping[str, np.ndarray]


class _Nested:
    """A space with those inside it, some of which are mapped."""

    def __init__(self, spec: Spec, root: str, rotated: Arrays) -> None:
        self.spec, self.rotated = spec, frozenset(rotated)
        self.inside: dict[str, list[str]] = {}
        for name, space in spec.spaces.items():
            if space.may == ROTARY and name not in self.rotated:  # it has no order
                continue
            if space.within and not space.fixed and root in spec.ancestors(name):
                self.inside.setdefault(space.within, []).append(name)

    def solve(self, space: str, similarities: Arrays) -> tuple[float, dict[str, np.ndarray]]:
        """What the best assignment of `space` and all within it gains, and that assignment."""
        size = self.spec.sizes[space]
        own = similarities.get(space, np.zeros((size, size)))
        children = self.inside.get(space, [])
        if not any(self._given(child, similarities) for child in children):
            columns = linear_assignment(own)
            below = [self._solve_pair(children, similarities, i, i)[1] for i in range(size)]
        else:
            columns, own, below = self._solve_pairs(own, children, similarities)
        stacked = {name: np.stack([one[name] for one in below]) for name in below[0]}
        gained = float(own[np.arange(size), columns].sum(dtype=np.float64))
        return gained, {space: columns, **stacked}

    def _solve_pairs(
        self, own: np.ndarray, children: list[str], similarities: Arrays
    ) -> tuple[np.ndarray, np.ndarray, list[dict[str, np.ndarray]]]:
        """Columns, scores that are exact where chosen, and what is inside each chosen pair.

        Every pair begins with a bound on what it can gain; those the assignment chooses are
        solved, until it chooses nothing but solved ones.
        """
        score = own.astype(np.float64)
        for child in children:
            score = score + self._bounds(child, similarities)
        solved: dict[tuple[int, int], dict[str, np.ndarray]] = {}
        while True:
            columns = linear_assignment(score)
            chosen = list(enumerate(map(int, columns)))
            if all(pair in solved for pair in chosen):
                return columns, score, [solved[pair] for pair in chosen]
            for i, j in chosen:
                if (i, j) not in solved:
                    gain, solved[i, j] = self._solve_pair(children, similarities, i, j)
                    score[i, j] = own[i, j] + gain

    def _solve_pair(
        self, children: list[str], similarities: Arrays, i: int, j: int
    ) -> tuple[float, dict[str, np.ndarray]]:
        """The same for what is inside one pair of outer units."""
        total = 0.0
        found: dict[str, np.ndarray] = {}
        coupled = {innermost(key) for key in similarities if is_couple(key)}
        for child in children:
            if child in coupled:  # solved together with what it is coupled to
                continue
            family = self._given(child, similarities)
            family += [name for name in map(innermost, family) if name in coupled]
            pair = {
                name: _restrict(similarities[name], (i,), (j,))
                for name in family
                if name in similarities
            }
            if child in self.rotated:
                block = torch.from_numpy(pair[child]).double()
                total += float(worth_of_nearest(self.spec, child, block))
                continue
            if any(is_couple(key) and outermost(key) == child for key in pair):
                gain, inner = self._solve_couples(child, pair)
            else:
                gain, inner = self.solve(child, pair)
            total += gain
            found |= inner
        return total, found

    def _solve_couples(
        self, child: str, similarities: Arrays
    ) -> tuple[float, dict[str, np.ndarray]]:
        """What the order of `child` and the maps it is coupled to gain, and that order."""
        size = self.spec.sizes[child]
        blocks = {key: torch.from_numpy(values).double() for key, values in similarities.items()}
        own = blocks.pop(child, torch.zeros(size, size, dtype=torch.float64))
        together = {innermost(key): values for key, values in blocks.items() if is_couple(key)}
        alone = {name: values for name, values in blocks.items() if not is_couple(name)}
        gain, order = solve_couples(self.spec, own, alone, together)
        return gain, {child: order.numpy()}

    def _bounds(self, child: str, similarities: Arrays) -> np.ndarray:
        """No pair of outer units can gain more inside `child` and what lies within: [n, n].

        No assignment is worth more than all rows' (or all columns') largest entries, and no sum
        of singular values more than all rows' (or all columns') lengths.
        """
        total = np.zeros(())
        for name in self._given(child, similarities):
            values = similarities[name]
            half = values.ndim // 2
            if is_couple(name):
                total = total + _couple_bounds(values)
                continue
            pairs = np.moveaxis(values, half, 1)  # [outer, outer, ..., n, ..., n]
            pairs = pairs.reshape(*pairs.shape[:2], int(np.prod(values.shape[1:half])), -1)
            if name in self.rotated:
                squares = np.square(pairs, dtype=np.float64)
                rows, columns = (np.sqrt(squares.sum(k)).sum(-1) for k in (3, 2))
            else:
                rows, columns = (pairs.max(k).sum(-1, dtype=np.float64) for k in (3, 2))
            total = total + np.minimum(rows, columns)
        return total

    def _given(self, child: str, similarities: Arrays) -> list[str]:
        """What of `similarities` speaks for `child` and what lies within, or couples they lead."""
        below = self._subtree(child)
        led = [key for key in similarities if is_couple(key) and outermost(key) in below]
        return [*(name for name in below if name in similarities), *led]

    def _subtree(self, space: str) -> list[str]:
        below = (name for child in self.inside.get(space, ()) for name in self._subtree(child))
        return [space, *below]


def _couple_bounds(values: np.ndarray) -> np.ndarray:
    """No pair of outer units can gain more by a couple [outer, ..., m, n, outer, ..., m, n].

    The bound on a sum of singular values for every pair of inner units, and on their assignment:
    [outer, outer].
    """
    half = values.ndim // 2
    outer, size = values.shape[0], values.shape[-1]
    pairs = np.moveaxis(values, half, 1).reshape(
        outer, outer, -1, size, np.prod(values.shape[1 : half - 1], dtype=int), size
    )
    squares = np.square(pairs, dtype=np.float64)  # [outer, outer, m, n, m, n]
    rows, columns = np.sqrt(squares.sum(5)).sum(3), np.sqrt(squares.sum(3)).sum(4)
    units = np.minimum(rows, columns)
    return np.minimum(units.max(3).sum(2), units.max(2).sum(2))


def _restrict(similarity: np.ndarray, here: tuple[int, ...], there: tuple[int, ...]) -> np.ndarray:
    """What is inside the anchor's outer unit `here` against the inside of the other's `there`."""
    rows = [slice(None)] * (similarity.ndim // 2 - len(here))
    index: tuple[int | slice, ...] = (*here, *rows, *there)
    return similarity[index]
