"""Passthrough: layers of several models on top of each other, none of them mixed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

from torch import Tensor

from hubmerge.fuse.laws import IDENTITY
from hubmerge.fuse.options import PerModel, Says
from hubmerge.fuse.registry import fusion
from hubmerge.symmetry.permutation import State


@fusion(
    source="arXiv:2312.15166, section 2.1; arXiv:2403.13257",
    laws=(IDENTITY,),
    weighs=False,
    elementwise=True,
)
def passthrough(
    states: Sequence[State],
    weights: Sequence[float],
    *,
    scale: Annotated[PerModel, Says("what tensors of each model are multiplied by")] = 1.0,
) -> dict[str, Tensor]:
    """The models' layers on top of each other, such as A[0:24] and B[8:32].

    The stack is there before models are fused, tensors multiplied by `scale`, and is every state.
    """
    return dict(states[0])
