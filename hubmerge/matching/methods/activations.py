"""Activation matching: units that fire together on the same images are the same unit."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from torch import Tensor

from hubmerge.errors import SpecError
from hubmerge.matching.registry import CALIBRATION, matcher
from hubmerge.matching.result import Match, describe_spaces
from hubmerge.matching.similarity.activations import (
    matched_correlations,
    mean_correlations,
    similarities_of,
)
from hubmerge.matching.similarity.keys import belonging, names_along
from hubmerge.matching.similarity.moments import Moments
from hubmerge.matching.solvers.group_assignment import best_element
from hubmerge.specs.spec import Group, Spec
from hubmerge.symmetry.balance import UNBALANCED, Balance, balance_of
from hubmerge.symmetry.element import Symmetry
from hubmerge.symmetry.permutation import State
from hubmerge.utils.progress import track

__all__ = ["line_up", "match_activations", "matched_correlations", "mean_correlations", "seen"]

Solve = Callable[[Spec, Group, Mapping[str, Tensor]], Symmetry]
Refine = Callable[[Symmetry], tuple[Symmetry, str]]
"""Makes a better symmetry of one, and a sentence on how."""


@matcher(source="arXiv:2209.04836, section 3.1", looks_at=CALIBRATION)
def match_activations(
    spec: Spec,
    anchor: State,
    other: State,
    *,
    moments: Moments | None = None,
    seed: int = 0,
) -> Match:
    """Aligns each space by the correlation of its activations over calibration images.

    One assignment per space that is permuted; orthogonal Procrustes on the covariance for a space
    that may be rotated or mapped. A space that can be watched in several places (the residual
    stream, after every block) is matched on their mean. `moments` is looked at; the weights only
    to balance spaces of two sides. What no module shows keeps its order.

    Raises: ValueError without moments; SpecError if a free space is watched nowhere, and the spec
    does not say that it cannot be.
    """
    spec, moments = spec.observed, seen(moments)
    alike = similarities_of(spec, moments, anchor, other)
    balance = balance_of(spec, anchor, other)
    return line_up("activations", spec, alike, alike, moments, balance=balance)


def seen(moments: Moments | None) -> Moments:
    """`moments`. Raises: ValueError if there are none."""
    if moments is None:
        raise ValueError("activation matching needs the moments of both models' activations")
    return moments


def line_up(
    method: str,
    spec: Spec,
    similarities: Mapping[str, Tensor],
    correlations: Mapping[str, Tensor],
    moments: Moments,
    solve: Solve = best_element,
    refine: Refine | None = None,
    balance: Balance = UNBALANCED,
) -> Match:
    """Every group of spaces solved on `similarities`, and described by `correlations`.

    refine: what is made of the symmetry found. balance: of the two models.
    Raises: SpecError if a free space is in none of the similarities.
    """
    permutation: dict[str, Tensor] = {}
    maps: dict[str, Tensor] = {}
    with track(len(spec.groups), "matching spaces", "space") as bar:
        for group in spec.groups:
            members = belonging(group, similarities)
            watched = {name for key in members for name in names_along(spec, key)}
            unseen = [name for name in group.members if name not in watched]
            if unseen:
                raise SpecError(
                    f"{unseen[0]} is watched nowhere",
                    source=spec.source,
                    hint='add a line under [watch], such as "mlp.fc2 ->" = "* * ff"; or say '
                    "seen = false of the space, if no module shows it",
                )
            best = solve(spec, group, members)
            permutation |= best.permutation
            maps |= best.maps
            bar.update(1)
    symmetry, outcome = Symmetry(permutation, maps), f"matched on {moments.images} rows"
    if refine is not None:
        symmetry, end = refine(symmetry)
        outcome = f"{outcome}, {end}"
    found = matched_correlations(spec, correlations, symmetry, balance)
    spaces = describe_spaces(spec, symmetry, found, balance)
    return Match(method, spec, symmetry.permutation, outcome, spaces, symmetry.maps)
