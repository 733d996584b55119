"""What a matcher that learns is. Each is one file among the matchers, with `@learner`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol, TypeVar

from hubmerge.matching.registry import Matcher
from hubmerge.matching.result import Match
from hubmerge.models.method_context import MethodContext
from hubmerge.registry import registry
from hubmerge.specs.spec import Spec
from hubmerge.symmetry.permutation import State
from hubmerge.training.batch_sampler import ROWS


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
    """Default number of calibration rows for training of the default length."""
    needs_data: bool = True

    @property
    def summary(self) -> str:
        """First line of the function's docstring."""
        return (self.function.__doc__ or "").strip().splitlines()[0]

    def rows_for(self, steps: int | None) -> int:
        """Rows a course of `steps` (None: its own) takes, so that it sees none of them twice."""
        return max(self.rows, ROWS * (steps or 0))


F = TypeVar("F", bound=LearnFunction)


def learner(name: str | None = None, *, source: str, labelled: bool = False) -> Callable[[F], F]:
    """Registers the decorated function under its file's name; `source`: where it is described."""

    def register(function: F) -> F:
        def make(called: str) -> Learner:
            return Learner(called, function, source, labelled)

        registry("matchers").add(function, make, name)
        return function

    return register


def learners() -> dict[str, Learner]:
    """Every registered matcher that learns, by name."""
    found = registry("matchers").all()
    return {name: each for name, each in found.items() if isinstance(each, Learner)}


def find_method(name: str) -> Matcher | Learner:
    """The matcher called `name`, learning or not. Raises RecipeError with the names there are."""
    found: Matcher | Learner = registry("matchers").get(name)
    return found
