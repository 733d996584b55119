"""A change of a spec is tried on the twin, and taken back unless the law holds."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import replace

import torch

from hubmerge.derivation.budget import refuse_delay
from hubmerge.derivation.sheet import Sheet
from hubmerge.derivation.twin import Twin
from hubmerge.errors import HubmergeError
from hubmerge.specs.notation import short
from hubmerge.specs.spec import PERMUTE, ROTARY, SCALE, Spec
from hubmerge.symmetry.canonical import canonical
from hubmerge.symmetry.element import random_symmetry, transform
from hubmerge.symmetry.laws import TOLERANCE, deviation, outputs
from hubmerge.symmetry.permutation import State, permute, random_permutation
from hubmerge.symmetry.unit_scales import random_scales


class Trials:
    """The law on the twin, for what `sheet` says. `bound` binds it to the twin."""

    def __init__(self, sheet: Sheet, twin: Twin, bound: Callable[[], Spec]) -> None:
        self.sheet, self.twin, self.bound = sheet, twin, bound
        self.state = twin.model.state_dict()
        self.reference = outputs(twin.model, self.state, twin.inputs)

    def _holds(self, changed: Collection[str]) -> bool:
        """Whether random elements leave the twin's answers alone.

        changed: names of spaces, or of norms, whose scales are tried; those of others were before.
        """
        try:
            spec, state = _focused(self.bound(), changed), self.state
            if not self._stays(permute(spec, state, random_permutation(spec, 0))):
                return False
            for name, factors, scale in random_scales(spec, 0):
                ours = name.rpartition(".")[2] in changed or any(name.endswith(c) for c in changed)
                if ours and not self._stays(scale(spec, state, {name: factors})):
                    return False
            if not spec.mapped_spaces():
                return True
            form = canonical(spec, state)
            there = transform(spec, form, random_symmetry(spec, 0))
            return self._stays(form) and self._stays(there)
        except (HubmergeError, KeyError, ValueError, IndexError, RuntimeError):
            return False

    def _stays(self, state: State) -> bool:
        tied = getattr(self.twin.model, "all_tied_weights_keys", None) or {}
        if any(
            n in state and o in state and not torch.equal(state[n], state[o])
            for n, o in tied.items()
        ):
            return False
        found = outputs(self.twin.model, state, self.twin.inputs)
        return deviation(self.reference, found) <= TOLERANCE

    def attempt(self, change: Callable[[], None], *changed: str) -> bool:
        """Makes a change of the sheet, and takes it back unless the law holds."""
        refuse_delay()
        before = [part.copied() for part in self.sheet.parts], self.sheet.batchnorm_eps
        try:
            change()
            if self._holds(changed):
                return True
        except NoProposalError:
            pass
        for part, fields in zip(self.sheet.parts, before[0], strict=True):
            vars(part).update(fields)
        self.sheet.batchnorm_eps = before[1]
        return False


def _focused(spec: Spec, changed: Collection[str]) -> Spec:
    """`spec` with maps of the `changed` spaces alone: those of others were tried before them."""
    spaces = {
        name: replace(space, may=PERMUTE, fixed=space.fixed or space.may == ROTARY)
        if space.may not in (PERMUTE, SCALE) and short(name) not in changed
        else space
        for name, space in spec.spaces.items()
    }
    norms = tuple(norm for norm in spec.norms if short(norm.space) in changed)
    return replace(spec, spaces=spaces, norms=norms)


class NoProposalError(Exception):
    """What the trace knows allows no such proposal."""
