"""One embedding of the states of all tokens, as sentence-transformers makes it.

Names of ways and their order: sentence-transformers 5, `models/Pooling.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor


def _mean(states: Tensor) -> Tensor:
    return states.mean(1)


def _weighted(states: Tensor) -> Tensor:
    weights = torch.arange(1, states.shape[1] + 1, device=states.device, dtype=states.dtype)
    return (states * weights[:, None]).sum(1) / weights.sum()


WAYS: dict[str, Callable[[Tensor], Tensor]] = {
    "cls_token": lambda states: states[:, 0],
    "max_tokens": lambda states: states.amax(1),
    "mean_tokens": _mean,
    "mean_sqrt_len_tokens": lambda states: states.sum(1) / states.shape[1] ** 0.5,
    "weightedmean_tokens": _weighted,
    "lasttoken": lambda states: states[:, -1],
}
"""States [rows, tokens, width], none of padding -> embeddings [rows, width]."""


def pooled(states: Tensor, ways: Sequence[str]) -> Tensor:
    """Embeddings [rows, width of all ways], of states [rows, tokens, width]."""
    return torch.cat([WAYS[way](states) for way in ways], -1)
