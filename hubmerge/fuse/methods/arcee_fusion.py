"""Arcee Fusion: the second model's entries where they matter most, the first model's elsewhere."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from hubmerge.fuse._mean import of_each
from hubmerge.fuse.laws import IDENTITY, PERMUTATIONS, UNITY
from hubmerge.fuse.registry import fusion
from hubmerge.symmetry.permutation import State

FENCE = 1.5
"""Interquartile ranges above the median from which on an entry is taken: the rule for outliers."""


@fusion(
    source="https://www.arcee.ai/blog/"
    "meet-mergekit-v0-1-arcee-fusion-expanded-model-support-multi-gpu-acceleration",
    laws=(IDENTITY, UNITY, PERMUTATIONS),
    weighs=False,
    pair=True,
    tensorwise=True,
)
def arcee_fusion(states: Sequence[State], weights: Sequence[float]) -> dict[str, Tensor]:
    """A with the entries of B whose importance is an outlier of its tensor.

    Importance is the distance of the two entries times the divergence of B's row from A's, both
    rows (along the last axis) read as logits.
    """

    def make(tensors: Sequence[Tensor]) -> Tensor:
        first, second = (
            value.to(torch.promote_types(value.dtype, torch.float32)) for value in tensors
        )
        of_a, of_b = first.log_softmax(-1), second.log_softmax(-1)
        divergence = (of_b.exp() * (of_b - of_a)).sum(-1, keepdim=bool(first.ndim))
        importance = (first - second).abs() * divergence
        low, middle, high = (_quantile(importance.flatten(), share) for share in (0.25, 0.5, 0.75))
        return torch.where(importance > middle + FENCE * (high - low), second, first)

    return of_each(states, [0.5, 0.5], make)


def _quantile(values: Tensor, share: float) -> Tensor:
    """With linear interpolation, of any number of values; `torch.quantile` takes 2^24 at most."""
    place = share * (len(values) - 1)
    below, above = (
        values.kthvalue(min(int(place) + more, len(values) - 1) + 1).values for more in (0, 1)
    )
    return torch.lerp(below, above, place - int(place))
