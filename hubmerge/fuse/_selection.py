"""The largest entries of a tensor, selected and not sorted."""

from __future__ import annotations

import torch
from torch import Tensor

SHIFT = 15
"""Bits of a float32 that the buckets leave out: there are 2^16 of them, 2^8 in every octave."""

PIECE = 2**18
"""Entries that are looked at together, so that what is made on the way stays in a cache."""


def largest(sizes: Tensor, count: int, *, last: bool = False) -> Tensor:
    """Which `count` of the entries [n] are largest, bool [n]; of equal ones the first, or the last.

    sizes: not negative, float32 or float64. Takes time in proportion to n.
    """
    if count <= 0:
        return torch.zeros(len(sizes), dtype=torch.bool)
    if count >= len(sizes):
        return torch.ones(len(sizes), dtype=torch.bool)
    if sizes.dtype != torch.float32:
        kept = torch.zeros(len(sizes), dtype=torch.bool)
        kept[_ordered(sizes, last)[:count]] = True
        return kept
    # Floats that are not negative are in the order of their bits.
    bits = sizes.contiguous().view(torch.int32)
    counts = torch.zeros(2**16, dtype=torch.int64)
    for part in bits.split(PIECE):
        counts += torch.bincount(part >> SHIFT, minlength=2**16)
    above = counts.flip(0).cumsum(0)
    reached = int(torch.searchsorted(above, count))
    edge = len(above) - 1 - reached
    kept = torch.empty(len(sizes), dtype=torch.bool)
    at_edge = []
    for number, (part, chosen) in enumerate(zip(bits.split(PIECE), kept.split(PIECE), strict=True)):
        torch.ge(part, (edge + 1) << SHIFT, out=chosen)
        here = ((part >> SHIFT) == edge).nonzero().flatten()
        at_edge.append(here.add_(number * PIECE))
    within = torch.cat(at_edge)
    missing = count - (int(above[reached - 1]) if reached else 0)
    kept[within[_ordered(sizes[within], last)[:missing]]] = True
    return kept


def _ordered(sizes: Tensor, last: bool) -> Tensor:
    """Positions from the largest to the smallest."""
    if last:
        return sizes.argsort(stable=True).flip(0)
    if len(sizes) and bool(sizes[0] == sizes.min()) and bool(sizes[0] == sizes.max()):
        return torch.arange(len(sizes))
    return sizes.argsort(descending=True, stable=True)
