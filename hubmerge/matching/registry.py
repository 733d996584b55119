"""The matchers there are. A matcher is one file in this folder that registers one function."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from hubmerge.errors import RecipeError
from hubmerge.matching.moments import Moments
from hubmerge.matching.result import Match
from hubmerge.spec.permutation import State
from hubmerge.spec.spec import Spec


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
    """A registered way to match, and whether it looks at activations on calibration data."""

    name: str
    function: MatchFunction
    source: str
    needs_data: bool

    @property
    def summary(self) -> str:
        """First line of the function's docstring."""
        return (self.function.__doc__ or "").strip().splitlines()[0]


_matchers: dict[str, Matcher] = {}


def matcher(
    name: str, *, source: str, needs_data: bool = False
) -> Callable[[MatchFunction], MatchFunction]:
    """Registers the decorated function under `name`; `source` is where it is described."""

    def register(function: MatchFunction) -> MatchFunction:
        _matchers[name] = Matcher(name, function, source, needs_data)
        return function

    return register


def matchers() -> dict[str, Matcher]:
    """Every registered matcher that aligns something, by name."""
    return dict(_matchers)


def find_matcher(name: str) -> Matcher:
    """The matcher called `name`. Raises RecipeError with the names there are."""
    if name in _matchers:
        return _matchers[name]
    raise RecipeError(
        f"there is no matcher {name!r}", found=f"matchers: none, {', '.join(_matchers)}"
    )
