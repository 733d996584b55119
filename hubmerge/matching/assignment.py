"""Exact assignment: of one space's units, and of a space with others nested inside it."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor

from hubmerge import assignment
from hubmerge.spec.spec import Spec


def linear_assignment(similarity: np.ndarray) -> np.ndarray:
    """The column for every row that maximises the sum of `similarity` [n, n] over the pairs.

    Raises ValueError if the matrix is not square or holds NaN or infinities.
    """
    return assignment.linear_assignment(similarity).columns


def assign_nested(spec: Spec, root: str, similarities: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Permutations of `root` and of all spaces inside it that maximise the summed similarity.

    For every pair of outer units the inner assignment is solved first, and what it gains scores
    the pair: the head to choose is the one whose inside fits best. Exact, if no tensor composes
    two spaces that lie within the same one. Where `root` lies within fixed spaces, each of their
    units is solved on its own.

    similarities[s]: [outer sizes..., n, outer sizes..., n], float32 or float64, rows for the
        anchor's units and columns for the other's; a space that is missing adds nothing.
    """
    arrays = {name: values.numpy() for name, values in similarities.items()}
    inside = _inside(spec, root)
    outer = [spec.sizes[name] for name in spec.ancestors(root)]
    found = []
    for place in np.ndindex(*outer):
        pair = {name: _restrict(values, place, place) for name, values in arrays.items()}
        found.append(_solve(spec, root, inside, pair)[1])
    stacked = {name: np.stack([one[name] for one in found]) for name in found[0]}
    return {
        name: torch.from_numpy(index.reshape(*outer, *index.shape[1:]))
        for name, index in stacked.items()
    }


def _inside(spec: Spec, root: str) -> dict[str, list[str]]:
    """Space -> those directly within it, for `root` and everything below."""
    inside: dict[str, list[str]] = {}
    for name, space in spec.spaces.items():
        if space.within and root in spec.ancestors(name):
            inside.setdefault(space.within, []).append(name)
    return inside


def _solve(
    spec: Spec,
    space: str,
    inside: Mapping[str, list[str]],
    similarities: Mapping[str, np.ndarray],
) -> tuple[float, dict[str, np.ndarray]]:
    size = spec.sizes[space]
    score = similarities.get(space, np.zeros((size, size)))
    children = inside.get(space, ())
    if children:
        score = np.array(score, dtype=np.float64)
    below: dict[str, np.ndarray] = {}
    for child in children:
        family = [name for name in _subtree(child, inside) if name in similarities]
        for i in range(size):
            for j in range(size):
                pair = {name: _restrict(similarities[name], (i,), (j,)) for name in family}
                gain, found = _solve(spec, child, inside, pair)
                score[i, j] += gain
                for name, index in found.items():
                    table = below.setdefault(
                        name, np.empty((size, size, *index.shape), dtype=np.int64)
                    )
                    table[i, j] = index
    columns = linear_assignment(score)
    rows = np.arange(size)
    chosen = {name: table[rows, columns] for name, table in below.items()}
    gained = float(score[rows, columns].sum(dtype=np.float64))
    return gained, {space: columns, **chosen}


def _subtree(space: str, inside: Mapping[str, list[str]]) -> list[str]:
    return [space, *(name for child in inside.get(space, ()) for name in _subtree(child, inside))]


def _restrict(similarity: np.ndarray, here: tuple[int, ...], there: tuple[int, ...]) -> np.ndarray:
    """What is inside the anchor's outer unit `here` against the inside of the other's `there`."""
    rows = [slice(None)] * (similarity.ndim // 2 - len(here))
    index: tuple[int | slice, ...] = (*here, *rows, *there)
    return similarity[index]
