"""Activation matching by mutual information: units that share the most are the same."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import torch
from torch import Tensor, nn

from hubmerge.matching.methods.activations import line_up, seen
from hubmerge.matching.registry import CALIBRATION, matcher
from hubmerge.matching.result import Match
from hubmerge.matching.similarity.activations import similarities_of
from hubmerge.matching.similarity.joint import Joint
from hubmerge.matching.similarity.moments import Moments, measure_moments, sum_over_units
from hubmerge.specs.spec import ObservedModule, Spec
from hubmerge.symmetry.balance import balance_of
from hubmerge.symmetry.permutation import State
from hubmerge.utils.input_batches import InputBatches
from hubmerge.utils.workers import Workers

EDGES = (-0.43, 0.43)
"""Where a unit's values are cut, in its standard deviations about its mean: thirds of a normal."""


def measure_information(
    spec: Spec, anchor: nn.Module, other: nn.Module, batches: InputBatches, workers: Workers
) -> Moments:
    """Moments, and in a second pass the mutual information of every pair of units, in nats.

    Each unit's values are cut into three by its own mean and deviation; the information is that of
    the counts. Raises: as `measure_moments`.
    """
    moments = measure_moments(spec, anchor, other, batches, workers)

    def counts(watch: ObservedModule, ours: Tensor, theirs: Tensor) -> Mapping[str, Tensor]:
        joint = moments.joint[watch]
        a, b = (
            _coded(values, mean, deviation)
            for values, mean, deviation in zip(
                (ours, theirs), joint.means, joint.deviations, strict=True
            )
        )
        return {"counts": (a.T @ b).double()}

    sums, _ = sum_over_units(spec, anchor, other, batches, workers, counts)
    joint = {
        watch: replace(each, information=mutual_information(sums[watch]["counts"]))
        for watch, each in moments.joint.items()
    }
    return Moments(joint, moments.images)


def _coded(values: Tensor, mean: Tensor, deviation: Tensor) -> Tensor:
    """[observations, units * 3], float32: 1 where a unit's value lies in that third.

    Counts of a batch stay below 2^24, up to which float32 is exact.
    """
    edges = torch.stack([mean + edge * deviation for edge in EDGES]).to(values)
    third = (values > edges[0]).long() + (values > edges[1]).long()
    return nn.functional.one_hot(third, len(EDGES) + 1).flatten(1).float()


def mutual_information(counts: Tensor) -> Tensor:
    """[units, units] in nats, from counts [units * 3, units * 3] of joint codes."""
    codes = len(EDGES) + 1
    size = counts.shape[0] // codes
    table = counts.reshape(size, codes, -1, codes).permute(0, 2, 1, 3)
    table = table / table.sum((-2, -1), keepdim=True).clamp_min(1)
    ours, theirs = table.sum(-1, keepdim=True), table.sum(-2, keepdim=True)
    independent = ours * theirs
    ratio = torch.where(table > 0, table / independent.where(independent > 0, 1.0), 1.0)
    return (table * ratio.log()).sum((-2, -1)).clamp_min(0)


def information(joint: Joint) -> Tensor:
    """What `measure_information` has found at a watch."""
    assert joint.information is not None
    return joint.information


def strength(joint: Joint) -> Tensor:
    """Correlation without its sign."""
    return joint.correlation.abs()


@matcher(
    source="arXiv:1511.07543, section 3.2",
    looks_at=CALIBRATION,
    observe=measure_information,
)
def match_information(
    spec: Spec,
    anchor: State,
    other: State,
    *,
    moments: Moments | None = None,
    seed: int = 0,
) -> Match:
    """Aligns each permuted space by the mutual information of its activations.

    It sees any dependence, not only a linear one, and not its sign; the correlations it reports are
    without sign, too. Spaces that may be rotated or
    mapped are matched as by `activations`.

    Raises: ValueError without moments; SpecError if a free space is watched nowhere.
    """
    spec, moments = spec.observed, seen(moments)
    alike = similarities_of(spec, moments, anchor, other, information)
    correlations = similarities_of(spec, moments, anchor, other, strength)
    balance = balance_of(spec, anchor, other)
    return line_up("activations-information", spec, alike, correlations, moments, balance=balance)
