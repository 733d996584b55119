"""A plane through three states of weight space (arXiv:1802.10026, appendix A.1)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from torch import Tensor

from hubmerge.errors import RecipeError
from hubmerge.landscape.geometry.chain import difference, inner
from hubmerge.symmetry.permutation import State

MARGIN = 0.25
"""How far a grid reaches beyond the three corners, in shares of their spread."""
FLAT = 1e-6
"""Height of the triangle over its base, below which three states lie on a line."""


@dataclass(frozen=True)
class Plane:
    """An origin and two orthogonal unit directions; corners are (x, y) in Euclidean distances."""

    origin: State
    across: State
    up: State
    corners: tuple[tuple[float, float], ...]

    def state(self, x: float, y: float) -> dict[str, Tensor]:
        """The tensors at (x, y). What is no float is the origin's."""
        return {
            name: value + x * self.across[name] + y * self.up[name]
            if name in self.across
            else value
            for name, value in self.origin.items()
        }

    def grid(self, count: int) -> list[tuple[float, float]]:
        """`count` squared points, row by row, over the corners and a margin around them."""
        sides = []
        for axis in (0, 1):
            values = [corner[axis] for corner in self.corners]
            room = MARGIN * (max(values) - min(values))
            sides.append(np.linspace(min(values) - room, max(values) + room, count).tolist())
        return [(x, y) for y in sides[1] for x in sides[0]]


def plane_through(first: State, second: State, third: State) -> Plane:
    """The plane with `first` as its origin, `second` on its x axis, and `third` above that.

    Raises: RecipeError, if they lie on a line, as a model and itself do.
    """
    across = difference(second, first)
    width = inner(across, across) ** 0.5
    towards = difference(third, first)
    size = inner(towards, towards) ** 0.5
    if not width or not size:
        raise RecipeError("three models that lie on a line span no plane", hint=ALIKE)
    across = {name: value / width for name, value in across.items()}
    share = inner(towards, across)
    up = {name: value - share * across[name] for name, value in towards.items()}
    height = inner(up, up) ** 0.5
    if height < FLAT * size:
        raise RecipeError("three models that lie on a line span no plane", hint=ALIKE)
    up = {name: value / height for name, value in up.items()}
    return Plane(first, across, up, ((0.0, 0.0), (width, 0.0), (share, height)))


ALIKE = "matching left B where it was, or A and B are one model"
