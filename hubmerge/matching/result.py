"""What a matcher returns: the permutation, how it ended, and what each space gained."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from torch import Tensor

from hubmerge.spec.permutation import Permutation, State, moved_units, permute
from hubmerge.spec.spec import Spec


@dataclass(frozen=True)
class SpaceMatch:
    """How well one space was matched.

    correlation: mean over units of the correlation between a unit and its match, in [-1, 1]
        (cosine of their weights, or Pearson's of their activations).
    gain: that minus the same figure for the order the space came in, all else aligned.
    moved: units that do not stay in their place.
    """

    space: str
    kind: str
    size: int
    gain: float
    correlation: float
    moved: int


@dataclass(frozen=True)
class Match:
    """A permutation of the other model's spaces that lines it up with the anchor.

    permutation[s] is [n], or [heads, n] if nested; new[i] = old[p[i]].
    outcome is one sentence for the user.
    """

    method: str
    spec: Spec
    permutation: Permutation
    outcome: str
    spaces: tuple[SpaceMatch, ...]

    def apply(self, state: State) -> dict[str, Tensor]:
        """The other model's tensors in the anchor's order."""
        return permute(self.spec, state, self.permutation)


def describe_spaces(
    spec: Spec,
    permutation: Permutation,
    correlations: Mapping[str, tuple[float, float]],
) -> tuple[SpaceMatch, ...]:
    """One SpaceMatch per free space, from its correlation (matched, in the order it came in)."""
    return tuple(
        SpaceMatch(
            space=name,
            kind="permute",
            size=permutation[name].numel(),
            gain=correlations[name][0] - correlations[name][1],
            correlation=correlations[name][0],
            moved=moved_units(permutation[name]),
        )
        for name in spec.free_spaces()
    )
