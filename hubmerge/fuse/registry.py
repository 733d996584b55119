"""The ways of combining aligned models. Each is one file in this folder that registers one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeVar

from torch import Tensor

from hubmerge.bench import Bench
from hubmerge.errors import RecipeError
from hubmerge.spec.permutation import State


class FuseFunction(Protocol):
    """A pure function of aligned states and the weight of each."""

    def __call__(self, states: Sequence[State], weights: Sequence[float]) -> dict[str, Tensor]: ...


class BenchFuseFunction(Protocol):
    """The same for a fusion that needs data; what `bench.scratch` holds does not matter."""

    def __call__(
        self, states: Sequence[State], weights: Sequence[float], bench: Bench
    ) -> dict[str, Tensor]: ...


@dataclass(frozen=True)
class Fusion:
    """A registered way to combine.

    needs_data: it runs the models on calibration batches. linear: its merges are points of the
    linear path between the aligned parents, so that the path's curve is also theirs.
    """

    name: str
    function: Callable[..., dict[str, Tensor]]
    source: str
    needs_data: bool
    linear: bool

    @property
    def summary(self) -> str:
        """First line of the function's docstring."""
        return (self.function.__doc__ or "").strip().splitlines()[0]

    def fuse(
        self, states: Sequence[State], weights: Sequence[float], bench: Bench
    ) -> dict[str, Tensor]:
        """Combines aligned `states`; a fusion that needs no data leaves `bench` alone."""
        if self.needs_data:
            return self.function(states, weights, bench)
        return self.function(states, weights)


_fusions: dict[str, Fusion] = {}
F = TypeVar("F", FuseFunction, BenchFuseFunction)


def fusion(
    name: str, *, source: str, needs_data: bool = False, linear: bool = False
) -> Callable[[F], F]:
    """Registers the decorated function under `name`; `source` is where it is described."""

    def register(function: F) -> F:
        _fusions[name] = Fusion(name, function, source, needs_data, linear)
        return function

    return register


def fusions() -> dict[str, Fusion]:
    """Every registered fusion, by name."""
    return dict(_fusions)


def find_fusion(name: str) -> Fusion:
    """The fusion called `name`. Raises RecipeError with the names there are."""
    if name in _fusions:
        return _fusions[name]
    raise RecipeError(f"there is no fusion {name!r}", found=f"fusions: {', '.join(_fusions)}")
