"""What a matcher is. Each is one file in `methods/`, or a plugin's, that registers one function."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from torch import nn

from hubmerge.matching.result import Match
from hubmerge.matching.similarity.moments import Moments, measure_moments
from hubmerge.registry import registry
from hubmerge.specs.spec import Spec
from hubmerge.symmetry.permutation import State
from hubmerge.utils.input_batches import InputBatches
from hubmerge.utils.workers import Workers

NOTHING, CALIBRATION, SYNTHETIC = "nothing", "calibration", "synthetic"
"""What a matcher runs both models on."""


class Observe(Protocol):
    """Looks at both models' activations on calibration batches."""

    def __call__(
        self,
        spec: Spec,
        anchor: nn.Module,
        other: nn.Module,
        batches: InputBatches,
        workers: Workers,
    ) -> Moments: ...


class MatchFunction(Protocol):
    """A pure function: inputs untouched, seed passed in, nothing printed."""

    def __call__(
        self,
        spec: Spec,
        anchor: State,
        other: State,
        *,
        moments: Moments | None = None,
        seed: int = 0,
    ) -> Match: ...


@dataclass(frozen=True)
class Matcher:
    """A registered way to match, and what of the activations on calibration data it looks at.

    looks_at: CALIBRATION rows, SYNTHETIC images or NOTHING. observe: makes the moments its
    function is given of what both models do there. spreads: whether its function also takes
    `workers`, whom it hands out work to; then all processes call it alike.
    """

    name: str
    function: MatchFunction
    source: str
    looks_at: str
    observe: Observe
    spreads: bool = False

    @property
    def needs_data(self) -> bool:
        """Whether it looks at calibration rows."""
        return self.looks_at == CALIBRATION

    @property
    def summary(self) -> str:
        """First line of the function's docstring."""
        return (self.function.__doc__ or "").strip().splitlines()[0]


def matcher(
    name: str | None = None,
    *,
    source: str,
    looks_at: str = NOTHING,
    observe: Observe = measure_moments,
    spreads: bool = False,
) -> Callable[[MatchFunction], MatchFunction]:
    """Registers the decorated function under its file's name; `source`: where it is described."""

    def register(function: MatchFunction) -> MatchFunction:
        def make(called: str) -> Matcher:
            return Matcher(called, function, source, looks_at, observe, spreads)

        registry("matchers").add(function, make, name)
        return function

    return register


def matchers() -> dict[str, Matcher]:
    """Every registered matcher that does not learn, by name."""
    found = registry("matchers").all()
    return {name: each for name, each in found.items() if isinstance(each, Matcher)}


def find_matcher(name: str) -> Matcher:
    """The matcher called `name`. Raises RecipeError with the names there are."""
    found = registry("matchers").get(name)
    if isinstance(found, Matcher):
        return found
    raise registry("matchers").unknown(name, matchers())
