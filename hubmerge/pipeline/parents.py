"""Parents whose classes are in one order, as states that can be matched; and their base, if any."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import torch
from transformers import PreTrainedModel

from hubmerge.derivation.ensure import ensure_spec
from hubmerge.derivation.twin import make_twin
from hubmerge.errors import LabelError
from hubmerge.hub.compare import label_permutation
from hubmerge.hub.loaded_model import LoadedModel
from hubmerge.matching import Match
from hubmerge.models.joint_head import JointHead
from hubmerge.models.lookup import looking_up
from hubmerge.models.method_context import Head
from hubmerge.models.states import cosine, holds, in_dtypes_of, with_state
from hubmerge.pipeline.apply_matches import apply_matches
from hubmerge.pipeline.lift_heads import LABELS, Rows, fill_rows, head_module, lift_head
from hubmerge.specs.spec import ALL, Spec
from hubmerge.symmetry.laws import prove, spec_of
from hubmerge.symmetry.permutation import State, identity, permute
from hubmerge.symmetry.unit_scales import level
from hubmerge.tasks import has_classes, probe_for

SHARED = 0.5
"""Cosine of the matrices of two models from which on they share a basin. Networks trained apart
have about 0 before they are matched; a fine-tune hardly leaves 1."""


@dataclass(frozen=True)
class Parents:
    """Parents whose classes are in the same order, and what their tensors' axes are.

    states: classifier rows in A's order. spec: None where nothing is matched and no family
    describes the models. leveled: `states` are scaled, and not the loaded models' own.
    """

    loaded: tuple[LoadedModel, ...]
    spec: Spec | None
    states: tuple[State, ...]
    leveled: bool = False

    @property
    def a(self) -> LoadedModel:
        """The first, whose order all others are brought into."""
        return self.loaded[0]

    def with_symmetry(self, symmetry: str) -> Parents:
        """The same, with one of the spec's `SYMMETRIES`."""
        return self if self.spec is None else replace(self, spec=self.spec.allowing(symmetry))

    def level(self) -> Parents:
        """The same with every unit at its standard scale, if the spec allows scales."""
        if self.spec is None or not self.spec.scales:
            return self
        states = tuple(in_dtypes_of(level(self.spec, each), each) for each in self.states)
        return replace(self, states=states, leveled=True)

    def model(self, number: int) -> PreTrainedModel:
        """A parent as a model, its classes in A's order: the loaded one, if that has this order."""
        loaded = self.loaded[number].model
        if loaded.device.type == "meta":
            return looking_up(loaded, self.states[number])
        if number == 0 and not self.leveled:
            return loaded
        if holds(loaded, self.states[number]):
            return loaded
        return with_state(loaded, self.states[number])

    def only(self, numbers: Sequence[int]) -> Parents:
        """Some of them, in this order."""
        return replace(
            self,
            loaded=tuple(self.loaded[n] for n in numbers),
            states=tuple(self.states[n] for n in numbers),
        )


Find = Callable[[Parents], tuple[Match, ...]]
"""Matches every model after the first to the first."""


@dataclass(frozen=True)
class AlignmentInputs:
    """Parents, and the same with their base, if they have one, as the first.

    heads: the one head that all were lifted to, if their label sets differ. rows: what each of
    them, the base last, has of it.
    """

    parents: Parents
    anchored: Parents | None = None
    heads: JointHead | None = None
    rows: tuple[Rows, ...] = ()

    @property
    def base(self) -> LoadedModel | None:
        """The base as it was loaded."""
        return None if self.anchored is None else self.anchored.a

    def match_to_base(self, find: Find) -> tuple[Match, ...]:
        """One match per parent towards the base; none where all of them share its basin."""
        assert self.anchored is not None
        first, *others = self.anchored.states
        apart = [n for n, state in enumerate(others, 1) if cosine(state, first) < SHARED]
        if not apart:
            return ()
        found = dict(zip(apart, find(self.anchored.only([0, *apart])), strict=True))
        spec = next(iter(found.values())).spec
        return tuple(found.get(n) or _unmoved(spec) for n in range(1, len(others) + 1))

    def aligned(self, matches: Sequence[Match]) -> tuple[list[State], State | None]:
        """The parents aligned with the base, or with the first of them; and the base's state."""
        if self.anchored is None:
            return (
                apply_matches(self.parents, matches) if matches else [*self.parents.states]
            ), None
        if not matches:
            return [*self.parents.states], self.anchored.states[0]
        base, *states = apply_matches(self.anchored, matches)
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
        models = [*states] if base is None else [*states, base]
        full = fill_rows(self._spec, models, self.rows[: len(models)], weights)
        return full[: len(states)], None if base is None else full[-1]


def prepare_parents(
    models: Sequence[LoadedModel],
    base: LoadedModel | None,
    *,
    labels: str,
    matched: bool,
    symmetry: str,
    heads: JointHead | None = None,
    states: Sequence[State] | None = None,
) -> AlignmentInputs:
    """As `in_one_order`, of parents and base: all classes in A's order, or lifted to one head.

    Raises: as `in_one_order`, and as `lift_head`.
    """
    all_models = [*models] if base is None else [*models, base]
    rows: tuple[Rows, ...] = ()
    if heads is not None:
        known = [] if base is None else [heads.rows_of(list(base.id2label.values()))]
        rows = (*heads.rows, *known)
        all_models = [
            replace(model, model=lift_head(model.model, heads.outputs, own))
            for model, own in zip(all_models, rows, strict=True)
        ]
    found = in_one_order(
        all_models, labels=labels, matched=matched, symmetry=symmetry, on_disk=states
    )
    if base is None:
        return without_base(found, heads)
    count = len(models)
    parents, anchored = found.only(range(count)), found.only([count, *range(count)])
    return AlignmentInputs(parents, anchored, heads, rows)


def without_base(parents: Parents, heads: JointHead | None) -> AlignmentInputs:
    """Lifted parents without a base."""
    return AlignmentInputs(parents, None, heads, heads.rows if heads else ())


def in_one_order(
    models: Sequence[LoadedModel],
    *,
    labels: str,
    matched: bool,
    symmetry: str = ALL,
    on_disk: Sequence[State] | None = None,
) -> Parents:
    """Brings all classes into A's order; proves the spec on B if anything will be `matched`.

    labels: "name" or "index". symmetry: one of the spec's `SYMMETRIES`. on_disk: what the models
    hold, where they have no values themselves; then the spec is proved on a twin.
    Raises: FamilyError, SpecError, LabelError; LawError, if a free space moves B's outputs.
    """
    a, b = models[:2]
    if matched:
        ensure_spec(a.model)
    spec = spec_of(a.model) if matched else None
    states: list[State] = (
        [model.model.state_dict() for model in models] if on_disk is None else [*on_disk]
    )
    if has_classes(a.config):
        by: Literal["names", "index"] = "index" if labels == "index" else "names"
        for number, other in enumerate(models[1:], start=1):
            order = label_permutation(a.id2label, other.id2label, by=by)
            states[number] = _relabelled(a.model, spec, states[number], order)
    if spec is not None:
        spec = spec.allowing(symmetry)
        if on_disk is not None:
            prove_on_twin(b.model, symmetry)
        else:
            precise = copy.deepcopy(b.model).double()
            prove(precise, spec, probe_for(precise), elements=1, mapped=False)
    return Parents(tuple(models), spec, tuple(states))


def prove_on_twin(model: PreTrainedModel, symmetry: str) -> None:
    """Proves the spec of a model without values on a small one with every kind of its layers.

    Raises: DerivationError, if there is no such one; LawError, if a free space moves its outputs.
    """
    twin = make_twin(model.config, type(model))
    assert isinstance(twin.model, PreTrainedModel)
    prove(
        twin.model,
        spec_of(twin.model).allowing(symmetry),
        twin.inputs,
        elements=1,
        mapped=False,
    )


def _relabelled(
    model: PreTrainedModel, spec: Spec | None, state: State, order: Sequence[int]
) -> State:
    """`state` with class i taken from class order[i].

    Raises: LabelError, if the order changes and no spec says where the classes are.
    """
    if list(order) == list(range(len(order))):
        return state
    if spec is None:
        ensure_spec(model)
        spec = spec_of(model)
    if LABELS not in spec.spaces:
        raise LabelError(
            "the two models order their classes differently",
            found=f"the {spec.family} spec names no space {LABELS!r}",
            source=spec.source,
        )
    return permute(spec, state, {LABELS: torch.tensor(order)})


def _unmoved(spec: Spec) -> Match:
    """The match of a model that stays as it is."""
    spec = spec.permutations_only
    return Match("none", spec, identity(spec), "what shares the base's basin was left as it is", ())
