"""Models aligned by their matches, in the coordinates of the first."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from hubmerge.matching.result import Match
from hubmerge.symmetry.canonical import canonical
from hubmerge.symmetry.coordinates import Coordinates, coordinates_of
from hubmerge.symmetry.element import transform
from hubmerge.symmetry.on_demand import OnDemand, permuted_on_demand
from hubmerge.symmetry.permutation import State


@dataclass(frozen=True)
class AlignedModel:
    """A model in the coordinates of the first; float64, if its match is `formed`.

    form: its canonical form, if its match asks for one.
    """

    state: State
    form: State | None


def aligned(states: Sequence[State], matches: Sequence[Match]) -> Iterator[AlignedModel]:
    """All models in the coordinates of the first, which one match each brings the others to.

    One after the other, for forms are large.

    The first stays as it is, but for gains that nothing can be divided by: where a match is
    `formed`, they are folded in all models alike. Raises: CanonicalError.
    """
    formed = next((match for match in matches if match.formed), None)
    if formed is None:
        yield AlignedModel(states[0], None)
        for match, state in zip(matches, states[1:], strict=True):
            yield AlignedModel(_moved(match, state), None)
        return
    there = coordinates_of(formed.spec, states[0])
    yield AlignedModel(there.own if there.settled else states[0], there.form.state)
    for match, state in zip(matches, states[1:], strict=True):
        yield _brought(there, match, state)


def _moved(match: Match, state: State) -> State:
    if isinstance(state, OnDemand) and not match.symmetry.maps:
        return permuted_on_demand(match.spec, state, match.symmetry.permutation)
    return transform(match.spec, state, match.symmetry)


def _brought(there: Coordinates, match: Match, state: State) -> AlignedModel:
    if not match.formed:
        return AlignedModel(there.settle(transform(match.spec, state, match.symmetry)), None)
    form = canonical(there.spec, state)
    return AlignedModel(there.bring(transform(match.spec, form, match.symmetry)), form)
