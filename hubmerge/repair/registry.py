"""The repairs there are: what is done about statistics that averaging weights has spoiled."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from torch import Tensor

from hubmerge.models.method_context import MethodContext
from hubmerge.registry import registry
from hubmerge.symmetry.permutation import State


class Repairer(Protocol):
    """Repairs one mixture of given parents, from what each of them weighs in it."""

    def __call__(self, state: State, weights: Sequence[float]) -> dict[str, Tensor]: ...


class RepairFunction(Protocol):
    """Prepares the repair of all mixtures of some aligned parents, once."""

    def __call__(self, context: MethodContext, parents: Sequence[State]) -> Repairer: ...


@dataclass(frozen=True)
class Repair:
    """A registered repair. All of them need calibration data."""

    name: str
    function: RepairFunction
    source: str

    @property
    def summary(self) -> str:
        """First line of the function's docstring."""
        return (self.function.__doc__ or "").strip().splitlines()[0]


def repair(name: str | None = None, *, source: str) -> Callable[[RepairFunction], RepairFunction]:
    """Registers the decorated function under its file's name; `source`: where it is described."""

    def register(function: RepairFunction) -> RepairFunction:
        registry("repairs").add(function, lambda called: Repair(called, function, source), name)
        return function

    return register


def repairs() -> dict[str, Repair]:
    """Every registered repair, by name."""
    return registry("repairs").all()


def find_repair(name: str) -> Repair:
    """The repair called `name`. Raises RecipeError with the names there are."""
    found: Repair = registry("repairs").get(name)
    return found
