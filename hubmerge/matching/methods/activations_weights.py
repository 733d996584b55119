"""Activations first, then the weights: the data finds the region, the parameters its peak."""

from __future__ import annotations

from functools import partial

from hubmerge.matching.methods.activations import line_up, seen
from hubmerge.matching.registry import CALIBRATION, matcher
from hubmerge.matching.result import Match
from hubmerge.matching.similarity.activations import similarities_of
from hubmerge.matching.similarity.moments import Moments
from hubmerge.matching.solvers.refine import refined
from hubmerge.specs.spec import Spec
from hubmerge.symmetry.balance import balance_of
from hubmerge.symmetry.permutation import State


@matcher(
    source="arXiv:2209.04836, sections 3.1 and 3.2; arXiv:2506.22712, section 4.1",
    looks_at=CALIBRATION,
)
def match_activations_then_weights(
    spec: Spec,
    anchor: State,
    other: State,
    *,
    moments: Moments | None = None,
    seed: int = 0,
) -> Match:
    """As `activations`, refined by coordinate ascent on the inner product of the parameters.

    Activations say what units do, weights what averaging them will do; the peak of the second that
    lies near the first tends to average better, above all where spaces are rotated.

    Raises: ValueError without moments; SpecError if a free space is watched nowhere.
    """
    spec, moments = spec.observed, seen(moments)
    alike = similarities_of(spec, moments, anchor, other)
    balance = balance_of(spec, anchor, other)
    refine = partial(refined, spec, anchor, other, seed=seed)
    return line_up(
        "activations-weights", spec, alike, alike, moments, refine=refine, balance=balance
    )
