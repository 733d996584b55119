"""How balancing wrote two models' spaces of two sides anew, and what they look like without it.

In canonical form the inside of a head has a basis of its own in every model. What a model was
before it was matched is said in the coordinates it came in, not in those.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from torch import Tensor

from hubmerge.specs.spec import TWO_SIDED, Spec
from hubmerge.symmetry.canonical import canonical_form
from hubmerge.symmetry.element import Maps, Symmetry
from hubmerge.symmetry.permutation import Permutation, State, outer_index


@dataclass(frozen=True)
class Balance:
    """The maps that balanced the anchor and the other model; none of spaces that had none."""

    ours: Maps = field(default_factory=dict)
    theirs: Maps = field(default_factory=dict)

    def as_given(self, spec: Spec, space: str, permutation: Permutation) -> Tensor:
        """[outer..., n, n]: the map of forms that leaves `space` as both models came.

        permutation: where the units that it lies within have gone.
        """
        if space not in self.ours:
            shape = spec.index_shape(space)
            return torch.eye(shape[-1], dtype=torch.float64).expand(*shape, shape[-1])
        undone = torch.linalg.inv(self.theirs[space])
        return self.ours[space] @ undone[outer_index(spec, space, permutation)]

    def as_written(self, spec: Spec, space: str, symmetry: Symmetry) -> Tensor:
        """[outer..., n, n]: the map of `space` in the coordinates in which both models came."""
        if space not in self.ours:
            return symmetry.maps[space]
        theirs = self.theirs[space][outer_index(spec, space, symmetry.permutation)]
        return torch.linalg.inv(self.ours[space]) @ symmetry.maps[space] @ theirs


UNBALANCED: Balance = Balance()


def balance_of(spec: Spec, anchor: State, other: State) -> Balance:
    """The balance of two models as they came. Raises: CanonicalError."""
    if not {*TWO_SIDED} & {*spec.mapped_spaces().values()}:
        return UNBALANCED
    return Balance(canonical_form(spec, anchor).maps, canonical_form(spec, other).maps)
