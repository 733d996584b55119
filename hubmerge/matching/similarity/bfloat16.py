"""Products in bfloat16: where the processor multiplies it natively, and rounding cannot matter.

Half the bits cost less than half the time. A search that only picks where to begin may use them
as they are; a final assignment only if its rounding provably changes nothing
(`is_certified_optimal`).
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache

import torch
from torch import Tensor

from hubmerge.matching.similarity.matched import matched_index
from hubmerge.matching.similarity.weights import speaking, unit_rows
from hubmerge.specs.spec import Group, Spec
from hubmerge.symmetry.permutation import Permutation, State

NATIVE = ("avx512_bf16", "amx_bf16")
"""What processors call multiplying bfloat16, of `torch.cpu.get_capabilities`."""

Lengths = dict[str, tuple[Tensor, float]]
"""Space -> lengths of the anchor's units [units], and of the longest of the other's."""

ROUNDING = 2**-6
"""No entry of a similarity is off by more than this share of |ours| |theirs|: both factors are
rounded by at most 2^-8 of themselves and each product once more (Cauchy-Schwarz), with room."""


@lru_cache
def rough(device: str = "cpu") -> torch.dtype:
    """bfloat16 on a processor that multiplies it natively, else (and on accelerators) float32."""
    if device != "cpu":
        return torch.float32
    capabilities: dict[str, object] = getattr(torch.cpu, "get_capabilities", dict)()
    return torch.bfloat16 if any(capabilities.get(name) for name in NATIVE) else torch.float32


def device_of(state: State) -> str:
    """The kind of device a state is on."""
    return next(iter(state.values())).device.type


def is_certified_optimal(
    spec: Spec,
    group: Group,
    similarities: Mapping[str, Tensor],
    permutation: Permutation,
    longest: Lengths,
) -> bool:
    """Whether `permutation` of `group` is the best one, whatever the rounding of `similarities`.

    True if every unit prefers its match to all others by more than both can be off; so it may be
    False for the best. longest: see `lengths`.
    """
    for space, values in similarities.items():
        ours, theirs = longest[space]
        shape = spec.index_shape(space)
        index = matched_index(spec, space, permutation)
        matched = values[index].flatten()
        values[index] = -torch.inf
        rival = values.reshape(len(matched), -1).amax(1)
        values[index] = matched.reshape(shape)
        if not bool((matched - rival > 2 * ROUNDING * ours * theirs).all()):
            return False
    return True


def lengths(spec: Spec, group: Group, anchor: State, other: State) -> Lengths:
    """How long the units of every member of `group` are."""
    squares: dict[str, list[Tensor]] = {}
    for tensor in speaking(spec, group.members):
        layout = spec.tensors[tensor]
        for space, *sides in unit_rows(spec, group, layout, anchor[tensor], other[tensor]):
            new = [side.float().square().sum(-1) for side in sides]
            old = squares.get(space)
            squares[space] = new if old is None else [a + b for a, b in zip(old, new, strict=True)]
    return {
        space: (ours.sqrt(), float(theirs.max().sqrt()))
        for space, (ours, theirs) in squares.items()
    }
