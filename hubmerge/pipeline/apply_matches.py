"""Apply matches to parents, and prove that no parent's function changed."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Protocol

import torch
from torch import Tensor
from transformers import PreTrainedModel

from hubmerge.errors import CanonicalError, LawError
from hubmerge.errors.wording import action, option
from hubmerge.hub.loaded_model import LoadedModel
from hubmerge.matching import Match
from hubmerge.matching.aligned import aligned
from hubmerge.models.states import in_dtypes_of
from hubmerge.symmetry.canonical import in_float64
from hubmerge.symmetry.laws import TOLERANCE, deviation, outputs
from hubmerge.symmetry.on_demand import OnDemand
from hubmerge.symmetry.permutation import State
from hubmerge.tasks import probe_for


class HasStates(Protocol):
    """Models of one architecture, and their states in one order of classes."""

    @property
    def a(self) -> LoadedModel: ...

    @property
    def states(self) -> tuple[State, ...]: ...


def apply_matches(parents: HasStates, matches: Sequence[Match]) -> list[State]:
    """All states aligned with A's, in A's own coordinates, where A stays as it is; see `aligned`.

    Raises: LawError, if the function of one is not its parent's any more; CanonicalError.
    """
    probe = Probe(parents.a.model)
    moved: list[State] = []
    done = ["folding gains that are nearly 0", *(f"aligning by {each.method}" for each in matches)]
    every = aligned(parents.states, matches)
    for what, one, state in zip(done, every, parents.states, strict=True):
        if isinstance(one.state, OnDemand):  # what reorders it was proved on a twin
            moved.append(one.state)
            continue
        if one.form is not None:
            _refuse_ill_formed(probe, state, one.form)
        if one.state is not state:
            refuse_changed(probe, state, one.state, what)
        moved.append(in_dtypes_of(one.state, state))
    return moved


class Probe:
    """What states make of a probe batch, in float64.

    Holds a copy of the model without its parameters, made when there is something to compare. The
    outputs of a state are kept until another is compared.
    """

    def __init__(self, model: PreTrainedModel) -> None:
        self._given = model
        self._state: State | None = None
        self._outputs = torch.empty(0)

    def moved(self, before: State, after: State) -> float:
        """How far apart the outputs of two states are."""
        if self._state is not before:
            self._state, self._outputs = before, self._answer(before)
        return deviation(self._outputs, self._answer(after))

    @cached_property
    def _precise(self) -> tuple[PreTrainedModel, Mapping[str, Tensor]]:
        model = copy.deepcopy(self._given).double()
        inputs = probe_for(model)
        for parameter in model.parameters():
            parameter.data = parameter.new_empty(0)
        return model, inputs

    def _answer(self, state: State) -> Tensor:
        model, inputs = self._precise
        return outputs(model, in_float64(state), inputs)


def refuse_changed(probe: Probe, before: State, after: State, what: str) -> None:
    """Raises: LawError, unless both states give a model the same outputs on a probe batch."""
    moved = probe.moved(before, after)
    if moved > TOLERANCE:
        raise LawError(
            f"{what} moved the outputs by {moved:.1e} of their size",
            hint=f"{option('symmetry', 'permutations')} leaves scales, signs, rotations and maps "
            f"out; {action('check spec')}; if the spec came with hubmerge, please report this, "
            "with the two models",
            field="symmetry",
        )


def _refuse_ill_formed(probe: Probe, state: State, form: State) -> None:
    """Raises: CanonicalError, if rounding alone moves the outputs of a canonical form too far."""
    moved = probe.moved(state, form)
    if moved > TOLERANCE:
        raise CanonicalError(
            f"a parent's canonical form moves its outputs by {moved:.1e} of their size",
            found="gains or heads of very different sizes, which float64 cannot hold together, or "
            f"a spec that allows what the model does not: {action('check spec')}",
            hint=f"{option('symmetry', 'permutations')} needs no canonical form",
            field="symmetry",
        )
