"""What a matcher returns: the symmetry, how it ended, and what each space gained."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from math import prod

from torch import Tensor

from hubmerge.specs.spec import PERMUTE, ROTARY, SCALE, Spec
from hubmerge.symmetry.balance import UNBALANCED, Balance
from hubmerge.symmetry.canonical import canonical
from hubmerge.symmetry.element import Maps, Symmetry, transform
from hubmerge.symmetry.permutation import Permutation, State, moved_units
from hubmerge.utils.shown import Shown

Correlations = Mapping[str, tuple[float, float]]
"""Space -> mean correlation of its units: as matched, and as they came with all else aligned."""


@dataclass(frozen=True)
class SpaceMatch:
    """How well one space was matched.

    correlation: mean over units of the correlation between a unit and its match, in [-1, 1]
        (cosine of their weights, or Pearson's of their activations); for a space that is rotated
        or mapped, of all its units together.
    gain: that minus the same figure for the space as it came, in both models' own coordinates,
        all else aligned.
    moved: units that do not stay in their place, in these coordinates.
    """

    space: str
    kind: str
    size: int
    gain: float
    correlation: float
    moved: int


@dataclass(frozen=True, repr=False)
class Match(Shown):
    """A symmetry of the other model that aligns it with the anchor.

    permutation[s] is [n], or [heads, n] if nested; new[i] = old[p[i]].
    maps[s] is [n, n], or [heads, n, n]; both models are in canonical form where there are any, or
    where the spec allows scales.
    outcome is one sentence for the user.
    """

    method: str
    spec: Spec
    permutation: Permutation
    outcome: str
    spaces: tuple[SpaceMatch, ...]
    maps: Maps = field(default_factory=dict)
    text_by = "hubmerge.matching.text:match_text"

    @property
    def symmetry(self) -> Symmetry:
        """Permutation and maps as one element."""
        return Symmetry(self.permutation, self.maps)

    @property
    def formed(self) -> bool:
        """Whether it aligns canonical forms, not models as given."""
        return bool(self.maps) or self.spec.scales

    @property
    def moves(self) -> bool:
        """Whether it does anything but leave every unit where, and as, it is."""
        return self.formed or any(moved_units(index) for index in self.permutation.values())

    def anchored(self, state: State) -> State:
        """The anchor's tensors as the other's are aligned with: canonical, if `formed`.

        Then in float64. Raises: CanonicalError.
        """
        return canonical(self.spec, state) if self.formed else state

    def apply(self, state: State) -> dict[str, Tensor]:
        """The other model's tensors aligned with the anchor; in float64, if `formed`.

        Raises: CanonicalError.
        """
        return transform(self.spec, self.anchored(state), self.symmetry)


def describe_spaces(
    spec: Spec,
    symmetry: Symmetry,
    correlations: Correlations,
    balance: Balance = UNBALANCED,
) -> tuple[SpaceMatch, ...]:
    """One SpaceMatch per free space, from its correlation (matched, in the order it came in).

    balance: of the two models whose forms `symmetry` aligns.
    Rotary spaces, which have no order, are left out where they are not mapped.
    """
    return tuple(
        SpaceMatch(
            space=name,
            kind=_kind(spec, name, symmetry),
            size=prod(spec.index_shape(name)),
            gain=correlations[name][0] - correlations[name][1],
            correlation=correlations[name][0],
            moved=_moved(spec, name, symmetry, balance),
        )
        for name in spec.free_spaces()
        if name in symmetry.maps or spec.spaces[name].may != ROTARY
    )


def _kind(spec: Spec, space: str, symmetry: Symmetry) -> str:
    """The kind of symmetry used there."""
    may = spec.spaces[space].may
    return may if space in symmetry.maps or may == SCALE else PERMUTE


def _moved(spec: Spec, space: str, symmetry: Symmetry, balance: Balance) -> int:
    """Units that do not stay in their place; of a map, those made up mostly of others."""
    if space in symmetry.maps:
        return moved_units(balance.as_written(spec, space, symmetry).abs().argmax(-1))
    return moved_units(symmetry.permutation[space])
