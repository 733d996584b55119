"""Activation matching without data: both models look at images made from nothing."""

from __future__ import annotations

from functools import partial

from hubmerge.matching.methods.activations import line_up, seen
from hubmerge.matching.registry import SYNTHETIC, matcher
from hubmerge.matching.result import Match
from hubmerge.matching.similarity.activations import similarities_of
from hubmerge.matching.similarity.moments import Moments
from hubmerge.matching.solvers.refine import refined
from hubmerge.specs.spec import Spec
from hubmerge.symmetry.balance import balance_of
from hubmerge.symmetry.permutation import State


@matcher(source="arXiv:2209.04836, section 3.1; arXiv:2106.05963", looks_at=SYNTHETIC)
def match_synthetic(
    spec: Spec,
    anchor: State,
    other: State,
    *,
    moments: Moments | None = None,
    seed: int = 0,
) -> Match:
    """Activations on dead leaves (random overlapping shapes), refined on the weights; no data.

    What a unit responds to in natural images (edges, colours, sizes, textures) is in these images
    as well, so that units with the same task fire together on them. From there coordinate ascent
    climbs the inner product of the parameters, on which it would lose its way without a start.

    Raises: ValueError without moments; SpecError if a free space is watched nowhere.
    """
    spec, moments = spec.observed, seen(moments)
    alike = similarities_of(spec, moments, anchor, other)
    balance = balance_of(spec, anchor, other)
    refine = partial(refined, spec, anchor, other, seed=seed)
    return line_up("synthetic", spec, alike, alike, moments, refine=refine, balance=balance)
