"""What a multi-matcher is. Each is one file in `methods/`, or a plugin's, with one function."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any, Protocol

from hubmerge.matching.learned.registry import Learner
from hubmerge.matching.registry import Matcher
from hubmerge.matching.result import Match
from hubmerge.matching.similarity.moments import Moments
from hubmerge.models.method_context import MethodContext
from hubmerge.registry import registry
from hubmerge.specs.spec import Spec
from hubmerge.symmetry.permutation import State
from hubmerge.utils.workers import Workers


@dataclass(frozen=True)
class MultiMatchProblem:
    """Several models of one spec, and what any two of them are matched by.

    moments: (p, q), p < q -> what was seen of models p and q, where the matcher looks at
    activations: of every pair, or of those with the first alone for a way that asks for no more.
    context: for a matcher that learns. workers: for one that spreads its work over processes.
    """

    spec: Spec
    states: Sequence[State]
    matcher: Matcher | Learner
    moments: Mapping[tuple[int, int], Moments]
    seed: int = 0
    context: MethodContext | None = None
    workers: Workers | None = None

    def match(self, p: int, q: int) -> Match:
        """Model q brought to model p by the matcher; p < q."""
        if isinstance(self.matcher, Learner):
            assert self.context is not None
            return self.matcher.function(
                self.spec, self.states[p], self.states[q], context=self.context, seed=self.seed
            )
        return self.matcher.function(
            self.spec,
            self.states[p],
            self.states[q],
            moments=self.moments.get((p, q)),
            seed=self.seed,
            **self._shared(),
        )

    def match_states(self, anchor: State, other: State) -> Match:
        """Any state brought to any other, by a matcher that looks at nothing but weights."""
        assert isinstance(self.matcher, Matcher)
        return self.matcher.function(self.spec, anchor, other, seed=self.seed, **self._shared())

    def _shared(self) -> dict[str, Any]:
        """Who takes part in the matcher's work, where all processes call it."""
        return {} if self.workers is None else {"workers": self.workers}


class MultiMatchFunction(Protocol):
    """A pure function: one match for every model after the first, which stays as it is."""

    def __call__(self, problem: MultiMatchProblem) -> list[Match]: ...


@dataclass(frozen=True)
class MultiMatcher:
    """A registered way to bring several models together, and whether it looks at every pair."""

    name: str
    function: MultiMatchFunction
    source: str
    all_pairs: bool
    without_data: bool

    def pairs(self, count: int) -> list[tuple[int, int]]:
        """The pairs of `count` models it needs the moments of."""
        return [(p, q) for p, q in combinations(range(count), 2) if self.all_pairs or p == 0]

    @property
    def summary(self) -> str:
        """First line of the function's docstring."""
        return (self.function.__doc__ or "").strip().splitlines()[0]


def multi_matcher(
    name: str | None = None, *, source: str, all_pairs: bool = False, without_data: bool = False
) -> Callable[[MultiMatchFunction], MultiMatchFunction]:
    """Registers the decorated function under its file's name; `source`: where it is described.

    Parameters:
        all_pairs: whether it needs the moments of every pair; else of those with the first.
        without_data: whether it matches states of no model, so that only matchers that need no
            data will do.
    """

    def register(function: MultiMatchFunction) -> MultiMatchFunction:
        def make(called: str) -> MultiMatcher:
            return MultiMatcher(called, function, source, all_pairs, without_data)

        registry("multi_matchers").add(function, make, name)
        return function

    return register


def multi_matchers() -> dict[str, MultiMatcher]:
    """Every registered multi-matcher, by name."""
    return registry("multi_matchers").all()


def find_multi_matcher(name: str) -> MultiMatcher:
    """The multi-matcher called `name`. Raises RecipeError with the names there are."""
    found: MultiMatcher = registry("multi_matchers").get(name)
    return found
