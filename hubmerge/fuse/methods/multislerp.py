"""Multi-SLERP: the mean of several models' directions, times the mean of their lengths."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from hubmerge.fuse._sphere import by_direction
from hubmerge.fuse.laws import LAWS, UNITY
from hubmerge.fuse.registry import fusion
from hubmerge.symmetry.permutation import State

OPPOSED = 1e-8
"""Length of a mean of unit vectors from which on it has a direction."""


@fusion(
    source="https://goddard.blog/posts/multislerp-wow-what-a-cool-idea",
    laws=tuple(set(LAWS) - {UNITY}),
    tensorwise=True,
)
def multislerp(
    states: Sequence[State], weights: Sequence[float], *, base: State | None = None
) -> dict[str, Tensor]:
    """The weighted mean of each tensor's directions, at the weighted mean of their lengths.

    It is the first step of the Karcher mean. With a base it is made of the task vectors. Tensors
    whose directions cancel each other out are averaged.
    """

    def combine(rows: Tensor, shares: Tensor) -> Tensor:
        flat = rows.flatten(1)
        norms = flat.norm(dim=1)
        direction = (shares / torch.where(norms > 0, norms, 1.0)) @ flat
        length = direction.norm()
        if length < OPPOSED:
            return (shares @ flat).view(rows.shape[1:])
        return (direction * ((shares @ norms) / length)).view(rows.shape[1:])

    return by_direction(states, weights, base, combine)
