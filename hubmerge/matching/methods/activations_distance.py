"""Activation matching by distance: units whose values differ least are the same unit."""

from __future__ import annotations

from torch import Tensor

from hubmerge.matching.methods.activations import line_up, seen
from hubmerge.matching.registry import CALIBRATION, matcher
from hubmerge.matching.result import Match
from hubmerge.matching.similarity.activations import similarities_of
from hubmerge.matching.similarity.joint import Joint
from hubmerge.matching.similarity.moments import Moments
from hubmerge.specs.spec import Spec
from hubmerge.symmetry.balance import balance_of
from hubmerge.symmetry.permutation import State


@matcher(source="arXiv:2209.04836, section 3.1", looks_at=CALIBRATION)
def match_distance(
    spec: Spec,
    anchor: State,
    other: State,
    *,
    moments: Moments | None = None,
    seed: int = 0,
) -> Match:
    """Aligns each space by the squared distance of its activations, scale and mean included.

    Summed over a permutation, every unit's own mean square is a constant: the least distance is
    the largest mean product. A strong unit counts for more here than in a correlation. Spaces that
    may be rotated or mapped are matched as by `activations`, whose covariances are products too.

    Raises: ValueError without moments; SpecError if a free space is watched nowhere.
    """
    spec, moments = spec.observed, seen(moments)
    alike = similarities_of(spec, moments, anchor, other, shared_power)
    correlations = similarities_of(spec, moments, anchor, other)
    balance = balance_of(spec, anchor, other)
    return line_up("activations-distance", spec, alike, correlations, moments, balance=balance)


def shared_power(joint: Joint) -> Tensor:
    """Mean products [units, units], as shares of the geometric mean of both models' power."""
    power = [
        (deviation.square() + mean.square()).mean().sqrt()
        for deviation, mean in zip(joint.deviations, joint.means, strict=True)
    ]
    scale = power[0] * power[1]
    return joint.product / scale if scale > 0 else joint.product
