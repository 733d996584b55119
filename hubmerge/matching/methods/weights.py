"""Weight matching: align two models by their parameters alone."""

from __future__ import annotations

import torch

from hubmerge.matching.registry import matcher
from hubmerge.matching.result import Match, describe_spaces
from hubmerge.matching.similarity.cosine import correlations
from hubmerge.matching.similarity.moments import Moments
from hubmerge.matching.solvers.coordinate_descent import descend
from hubmerge.matching.solvers.frank_wolfe import STEPS, alone, relax
from hubmerge.matching.solvers.refine import SWEEPS
from hubmerge.matching.solvers.relaxed import STEPS as MAPPED_STEPS
from hubmerge.matching.solvers.relaxed import by_module, polished
from hubmerge.specs.spec import Spec
from hubmerge.symmetry.balance import UNBALANCED, Balance
from hubmerge.symmetry.canonical import canonical_form
from hubmerge.symmetry.element import Maps
from hubmerge.symmetry.permutation import State
from hubmerge.utils.workers import Workers


@matcher(
    source="arXiv:2209.04836, section 3.2; arXiv:2405.17897, section 3.2; arXiv:2506.22712, 4.1",
    spreads=True,
)
def match_weights(
    spec: Spec,
    anchor: State,
    other: State,
    *,
    moments: Moments | None = None,
    seed: int = 0,
    steps: int = STEPS,
    sweeps: int = 100,
    workers: Workers | None = None,
) -> Match:
    """Frank-Wolfe from the barycentre, polished by coordinate descent; needs no data.

    Both climb the same objective, the inner product of the parameters (where a space may be
    rotated or mapped: in canonical form, module by module): Frank-Wolfe on relaxed symmetries,
    until it gains no more or after `steps`, finds the region; then coordinate descent (Git
    Re-Basin, Algorithm 1) in an order drawn from `seed` finds its peak.

    workers: whom the groups of each step of Frank-Wolfe are handed out to; all processes call this
    alike then. Products are made on their device. The match does not depend on how many they are.
    Returns: Match. outcome says how both ended.
    Raises: KeyError, if a state lacks a tensor the spec names; CanonicalError.
    """
    mapped = bool(spec.mapped_spaces())

    balanced: Maps = {}
    target = anchor
    if mapped:
        form = canonical_form(spec, other)
        other, balanced = form.state, form.maps
        target = by_module(spec, canonical_form(spec, anchor).state, other)
        del form
    states = [on_device(target, workers), on_device(other, workers)]
    del target
    spread = alone if workers is None else workers.map
    most = min(steps, MAPPED_STEPS) if mapped else steps
    start, taken = relax(spec, states[0], states[1], steps=most, spread=spread)

    def finish() -> Match:
        rounds = min(sweeps, SWEEPS) if mapped else sweeps
        target, moving = states
        symmetry, ended = descend(spec, target, moving, start=start, seed=seed, sweeps=rounds)
        del target, moving
        states.clear()  # room for what forms the anchor anew
        first = canonical_form(spec, anchor) if mapped else None
        balance = UNBALANCED if first is None else Balance(first.maps, balanced)
        found = correlations(
            spec,
            anchor if first is None else first.state,
            other,
            symmetry.permutation,
            symmetry.maps,
            balance,
        )
        spaces = describe_spaces(spec, symmetry, found, balance)
        outcome = polished(taken, ended) if mapped else ended
        return Match("weights", spec, symmetry.permutation, outcome, spaces, symmetry.maps)

    return finish() if workers is None else workers.on_main(finish)


def on_device(state: State, workers: Workers | None) -> State:
    """`state` where products are made: on the accelerator, in float32, if there is one."""
    if workers is None or workers.device.type == "cpu":
        return state
    return {
        name: value.to(workers.device, torch.float32) if value.is_floating_point() else value
        for name, value in state.items()
    }
