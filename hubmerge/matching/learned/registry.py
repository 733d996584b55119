"""The matchers that learn. Each is one file in `hubmerge/matching/` that registers a function."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol, TypeVar

from hubmerge.matching.registry import Matcher, matchers
from hubmerge.matching.result import Match
from hubmerge.models.method_context import MethodContext
from hubmerge.specs.spec import Spec
from hubmerge.symmetry.permutation import State
from hubmerge.training.batch_sampler import ROWS
from hubmerge.utils.suggestions import unknown


class LearnFunction(Protocol):
    """Inputs untouched, seed passed in; what `context.scratch` holds does not matter.

    Called by all processes alike.
    """

    def __call__(
        self, spec: Spec, anchor: State, other: State, *, context: MethodContext, seed: int = 0
    ) -> Match: ...


@dataclass(frozen=True)
class Learner:
    """A registered way to learn a match, and whether it learns from labels."""

    name: str
    function: LearnFunction
    source: str
    labelled: bool
    rows: int = 15_000
    """Calibration rows of a course of its own length, where nobody says how many."""
    needs_data: bool = True

    @property
    def summary(self) -> str:
        """First line of the function's docstring."""
        return (self.function.__doc__ or "").strip().splitlines()[0]

    def rows_for(self, steps: int | None) -> int:
        """Rows a course of `steps` (None: its own) takes, so that it sees none of them twice."""
        return max(self.rows, ROWS * (steps or 0))


_learners: dict[str, Learner] = {}
F = TypeVar("F", bound=LearnFunction)


def learner(name: str, *, source: str, labelled: bool = False) -> Callable[[F], F]:
    """Registers the decorated function under `name`; `source` is where it is described."""

    def register(function: F) -> F:
        _learners[name] = Learner(name, function, source, labelled)
        return function

    return register


def learners() -> dict[str, Learner]:
    """Every registered matcher that learns, by name."""
    return dict(_learners)


def find_method(name: str) -> Matcher | Learner:
    """The matcher called `name`, learning or not. Raises RecipeError with the names there are."""
    known: dict[str, Matcher | Learner] = {**matchers(), **_learners}
    if name in known:
        return known[name]
    raise unknown("matcher", name, ("auto", "none", *known))
