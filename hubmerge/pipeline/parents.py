"""Models with a common base: lined up with it, where they do not lie in its basin already.

What a fine-tune adds to its base is a difference unit by unit, so all of them must stand in the
base's order. A model trained from the base does; one that was trained apart is matched to it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import torch

from hubmerge.hub.load import LoadedModel
from hubmerge.matching import Match
from hubmerge.models.joint_head import Heads
from hubmerge.models.method_context import Head
from hubmerge.pipeline.align import Parents, aligned, gather
from hubmerge.pipeline.lift_heads import Rows, filled, head_module, lifted
from hubmerge.specs.spec import Spec
from hubmerge.symmetry.laws import spec_of
from hubmerge.symmetry.permutation import State, identity

SHARED = 0.5
"""Cosine of the matrices of two models from which on they share a basin. Networks trained apart
have about 0 before they are matched; a fine-tune hardly leaves 1."""

Find = Callable[[Parents], tuple[Match, ...]]
"""Matches every model after the first to the first."""


@dataclass(frozen=True)
class AlignmentInputs:
    """Parents, and the same with their base, if they have one, standing first.

    heads: the one head that all were lifted to, if their label sets differ. rows: what each of
    them, the base last, has of it.
    """

    parents: Parents
    anchored: Parents | None = None
    heads: Heads | None = None
    rows: tuple[Rows, ...] = ()

    @property
    def base(self) -> LoadedModel | None:
        """The base as it was loaded."""
        return None if self.anchored is None else self.anchored.a

    def matched(self, find: Find) -> tuple[Match, ...]:
        """One match per parent towards the base; none where all of them share its basin."""
        assert self.anchored is not None
        first, *others = self.anchored.states
        strange = [n for n, state in enumerate(others, 1) if closeness(state, first) < SHARED]
        if not strange:
            return ()
        found = dict(zip(strange, find(_only(self.anchored, [0, *strange])), strict=True))
        spec = next(iter(found.values())).spec
        return tuple(found.get(n) or unmoved(spec) for n in range(1, len(others) + 1))

    def aligned(self, matches: Sequence[Match]) -> tuple[list[State], State | None]:
        """The parents lined up with the base, or with the first of them; and the base's state."""
        if self.anchored is None:
            return (aligned(self.parents, matches) if matches else [*self.parents.states]), None
        if not matches:
            return [*self.parents.states], self.anchored.states[0]
        base, *states = aligned(self.anchored, matches)
        return states, base

    def with_symmetry(self, symmetry: str) -> AlignmentInputs:
        """The same, with one of the spec's `SYMMETRIES`."""
        anchored = None if self.anchored is None else self.anchored.with_symmetry(symmetry)
        return replace(self, parents=self.parents.with_symmetry(symmetry), anchored=anchored)

    @property
    def head(self) -> Head | None:
        """Which of its outputs each parent knows."""
        if self.heads is None:
            return None
        known = [[row is not None for row in rows] for rows in self.heads.rows]
        return Head(head_module(self._spec), torch.tensor(known))

    @property
    def _spec(self) -> Spec:
        return self.parents.spec or spec_of(self.parents.a.model)

    def filled(
        self, states: Sequence[State], base: State | None, weights: Sequence[float]
    ) -> tuple[list[State], State | None]:
        """`states` and base in one order, with rows for every label; what each parent weighs."""
        if self.heads is None:
            return [*states], base
        everyone = [*states] if base is None else [*states, base]
        full = filled(self._spec, everyone, self.rows[: len(everyone)], weights)
        return full[: len(states)], None if base is None else full[-1]


def prepare_parents(
    models: Sequence[LoadedModel],
    base: LoadedModel | None,
    *,
    labels: str,
    matched: bool,
    symmetry: str,
    heads: Heads | None = None,
) -> AlignmentInputs:
    """As `gather`, of parents and base: all classes in A's order, or lifted to one head.

    Raises: as `gather`, and as `lifted`.
    """
    everyone = [*models] if base is None else [*models, base]
    rows: tuple[Rows, ...] = ()
    if heads is not None:
        known = [] if base is None else [heads.rows_of(list(base.id2label.values()))]
        rows = (*heads.rows, *known)
        everyone = [
            replace(model, model=lifted(model.model, heads.outputs, own))
            for model, own in zip(everyone, rows, strict=True)
        ]
    found = gather(everyone, labels=labels, matched=matched, symmetry=symmetry)
    if base is None:
        return without_base(found, heads)
    count = len(models)
    parents, anchored = _only(found, range(count)), _only(found, [count, *range(count)])
    return AlignmentInputs(parents, anchored, heads, rows)


def without_base(parents: Parents, heads: Heads | None) -> AlignmentInputs:
    """Lifted parents without a base."""
    return AlignmentInputs(parents, None, heads, heads.rows if heads else ())


def closeness(state: State, other: State) -> float:
    """Cosine between the matrices and kernels of two models, all taken as one vector."""
    names = [n for n, value in state.items() if value.ndim > 1 and value.is_floating_point()]
    pairs = [(state[name].double(), other[name].double()) for name in names]
    products = torch.stack(
        [torch.stack([(x * y).sum(), (x * x).sum(), (y * y).sum()]) for x, y in pairs]
    ).sum(0)
    both, one, two = products.tolist()
    return both / (one * two) ** 0.5 if one * two else 1.0


def unmoved(spec: Spec) -> Match:
    """The match of a model that stays as it is."""
    return Match("none", spec, identity(spec), "what shares the base's basin was left as it is", ())


def _only(parents: Parents, numbers: Sequence[int]) -> Parents:
    return replace(
        parents,
        loaded=tuple(parents.loaded[n] for n in numbers),
        states=tuple(parents.states[n] for n in numbers),
    )
