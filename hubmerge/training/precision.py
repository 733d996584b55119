"""Learning is done in float32: its noise is far above that of rounding."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor


def single(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """`tensors`, floating ones in float32."""
    return {n: v.float() if v.is_floating_point() else v for n, v in tensors.items()}
