"""The repairs there are: what is done about statistics that averaging weights has spoiled."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from torch import Tensor

from hubmerge.models.method_context import MethodContext
from hubmerge.symmetry.permutation import State
from hubmerge.utils.suggestions import unknown


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


_repairs: dict[str, Repair] = {}


def repair(name: str, *, source: str) -> Callable[[RepairFunction], RepairFunction]:
    """Registers the decorated function under `name`; `source` is where it is described."""

    def register(function: RepairFunction) -> RepairFunction:
        _repairs[name] = Repair(name, function, source)
        return function

    return register


def repairs() -> dict[str, Repair]:
    """Every registered repair, by name."""
    return dict(_repairs)


def find_repair(name: str) -> Repair:
    """The repair called `name`. Raises RecipeError with the names there are."""
    if name in _repairs:
        return _repairs[name]
    raise unknown("repair", name, ("auto", "none", *_repairs))
