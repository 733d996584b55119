"""The curves between two models. Each is one file in this folder that registers one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from hubmerge.errors import RecipeError
from hubmerge.landscape.geometry.chain import Chain
from hubmerge.landscape.path_trainer import PathTrainer
from hubmerge.symmetry.permutation import State
from hubmerge.utils.suggestions import unknown
from hubmerge.utils.wording import option


class CurveFunction(Protocol):
    """Finds a path between two aligned states, with so many bends."""

    def __call__(self, first: State, last: State, bends: int, teacher: PathTrainer) -> Chain: ...


@dataclass(frozen=True)
class CurveKind:
    """A registered curve. bends: how many it has if nobody says; 0: none, ever."""

    name: str
    function: CurveFunction
    source: str
    bends: int

    @property
    def summary(self) -> str:
        """First line of the function's docstring."""
        return (self.function.__doc__ or "").strip().splitlines()[0]

    def checked(self, bends: int | None) -> int:
        """How many bends to take. Raises: RecipeError."""
        wanted = self.bends if bends is None else bends
        if self.bends == 0 and wanted:
            raise RecipeError(
                f"{option('curve', self.name)} has no bends",
                found=option("bends", wanted),
                field="bends",
            )
        if self.bends and wanted < 1:
            raise RecipeError(
                f"{option('curve', self.name)} needs a bend",
                found=option("bends", wanted),
                field="bends",
            )
        return wanted


_curves: dict[str, CurveKind] = {}


def curve(name: str, *, source: str, bends: int) -> Callable[[CurveFunction], CurveFunction]:
    """Registers the decorated function under `name`; `source` is where it is described."""

    def register(function: CurveFunction) -> CurveFunction:
        _curves[name] = CurveKind(name, function, source, bends)
        return function

    return register


def curves() -> dict[str, CurveKind]:
    """Every registered curve, by name."""
    return dict(_curves)


def find_curve(name: str) -> CurveKind:
    """The curve called `name`. Raises RecipeError with the names there are."""
    if name in _curves:
        return _curves[name]
    raise unknown("curve", name, _curves)
