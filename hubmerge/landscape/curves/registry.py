"""What a curve between models is. Each is one file in `methods/` that registers one function."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from hubmerge.errors import RecipeError
from hubmerge.errors.wording import option
from hubmerge.fuse.registry import DATA_FREE, LABELLED
from hubmerge.landscape.geometry.chain import Chain
from hubmerge.landscape.path_trainer import PathTrainer
from hubmerge.registry import registry
from hubmerge.symmetry.permutation import State


class CurveFunction(Protocol):
    """Finds a path between two aligned states, with so many bends."""

    def __call__(self, first: State, last: State, bends: int, teacher: PathTrainer) -> Chain: ...


@dataclass(frozen=True)
class CurveKind:
    """A registered curve. bends: how many it has by default; 0: it never has any."""

    name: str
    function: CurveFunction
    source: str
    bends: int

    @property
    def summary(self) -> str:
        """First line of the function's docstring."""
        return (self.function.__doc__ or "").strip().splitlines()[0]

    @property
    def needs(self) -> str:
        """Which rows it looks at: bends are trained on labels."""
        return LABELLED if self.bends else DATA_FREE

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


def curve(
    name: str | None = None, *, source: str, bends: int
) -> Callable[[CurveFunction], CurveFunction]:
    """Registers the decorated function under its file's name; `source`: where it is described."""

    def register(function: CurveFunction) -> CurveFunction:
        def make(called: str) -> CurveKind:
            return CurveKind(called, function, source, bends)

        registry("curves").add(function, make, name)
        return function

    return register


def curves() -> dict[str, CurveKind]:
    """Every registered curve, by name."""
    return registry("curves").all()


def find_curve(name: str) -> CurveKind:
    """The curve called `name`. Raises RecipeError with the names there are."""
    found: CurveKind = registry("curves").get(name)
    return found
