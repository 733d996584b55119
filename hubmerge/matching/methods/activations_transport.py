"""Activation matching by optimal transport: a soft coupling of all units, rounded at the end."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from hubmerge.matching.methods.activations import line_up, seen
from hubmerge.matching.registry import CALIBRATION, matcher
from hubmerge.matching.result import Match
from hubmerge.matching.similarity.activations import similarities_of
from hubmerge.matching.similarity.moments import Moments
from hubmerge.matching.solvers.group_assignment import best_element
from hubmerge.specs.spec import Group, Spec
from hubmerge.symmetry.balance import balance_of
from hubmerge.symmetry.element import Symmetry
from hubmerge.symmetry.permutation import State

SOFTNESS = 0.05
"""Entropic regularisation, in units of correlation."""

ROUNDS = 200
"""Scalings of rows and columns in turn, at most."""

MARGIN = 1e-6
"""Largest deviation of a row's sum from 1 at which the scaling stops."""


@matcher(source="arXiv:1910.05653, section 4", looks_at=CALIBRATION)
def match_transport(
    spec: Spec,
    anchor: State,
    other: State,
    *,
    moments: Moments | None = None,
    seed: int = 0,
) -> Match:
    """Aligns each permuted space by entropic optimal transport on correlations, then rounded.

    The coupling spreads a unit over all that resemble it (Sinkhorn's algorithm, arXiv:1306.0895,
    section 4); the assignment that carries most of it is taken. Spaces with others inside them,
    and those that are rotated or mapped, are matched as by `activations`.

    Raises: ValueError without moments; SpecError if a free space is watched nowhere.
    """
    spec, moments = spec.observed, seen(moments)
    alike = similarities_of(spec, moments, anchor, other)
    balance = balance_of(spec, anchor, other)
    return line_up(
        "activations-transport", spec, alike, alike, moments, solve=softly, balance=balance
    )


def softly(spec: Spec, group: Group, similarities: Mapping[str, Tensor]) -> Symmetry:
    """As `best_element`, with the similarities of a space of its own replaced by a coupling."""
    root = group.root
    alone = group.members == (root,) and not spec.ancestors(root)
    if alone and root in similarities and root not in spec.mapped_spaces():
        similarities = {root: coupling(similarities[root])}
    return best_element(spec, group, similarities)


def coupling(similarity: Tensor, softness: float = SOFTNESS) -> Tensor:
    """The doubly stochastic matrix exp((S + u + v) / softness), float64 [n, n]."""
    logs = similarity.double() / softness
    for _ in range(ROUNDS):
        logs = logs - torch.logsumexp(logs, 1, keepdim=True)
        logs = logs - torch.logsumexp(logs, 0, keepdim=True)
        if (logs.exp().sum(1) - 1).abs().max() <= MARGIN:
            break
    return logs.exp()
