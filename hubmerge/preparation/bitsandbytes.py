"""Weights that bitsandbytes stores in 4 bits (arXiv:2305.14314, section 3), and what they were.

Two numbers of 4 bits in a byte, the first in its upper half, each an index into a table of 16; what
that says is multiplied by the largest size in its block. With nested scales these sizes are indices
into a table of 256, times the largest of their own block, plus one number for all. Shapes and sizes
of blocks stand in a small tensor of JSON beside the weight. Nothing of bitsandbytes is needed.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from math import prod
from typing import Any

import torch
from torch import Tensor

from hubmerge.errors import WeightsError
from hubmerge.preparation.packed import Headers, Packed, Shapes, unfit

STATES = (".quant_state.bitsandbytes__nf4", ".quant_state.bitsandbytes__fp4")
"""Endings of the name of what says how a weight is stored."""
TABLE, SIZES = ".quant_map", ".absmax"
NESTED_TABLE, NESTED_SIZES = ".nested_quant_map", ".nested_absmax"
MOST_BYTES = 4096
"""Of JSON that says how a weight is stored; bitsandbytes writes less than 200."""
DTYPES = {"bfloat16": torch.bfloat16, "float16": torch.float16, "float32": torch.float32}

State = Mapping[str, Any]


def four_bits(
    headers: Headers, settings: Mapping[str, Any], ref: str, shapes: Shapes
) -> dict[str, Packed]:
    """Every weight in 4 bits by its name, with its tables and sizes.

    shapes: of the model's tensors, by name. Raises: WeightsError, where parts are missing, or not
    as many as the model's class has numbers.
    """
    known = shapes()
    found = {}
    for state, header in headers.items():
        end = next((each for each in STATES if state.endswith(each)), None)
        if end is None:
            continue
        name = state.removesuffix(end)
        nested = name + NESTED_TABLE in headers
        parts: tuple[str, ...] = (name, state, name + TABLE, name + SIZES)
        parts += (name + NESTED_TABLE, name + NESTED_SIZES) if nested else ()
        missing = [part for part in parts if part not in headers]
        if missing:
            raise unfit(ref, name, f"no {missing[0]} beside it")
        shape, stored = known.get(name), headers[name]
        if shape is None or stored.dtype != "U8" or stored.numel != -(-prod(shape) // 2):
            there = "no such tensor" if shape is None else list(shape)
            raise unfit(ref, name, f"{list(stored.shape)} of {stored.dtype}, its class has {there}")
        if header.numel > MOST_BYTES:
            raise unfit(ref, name, f"{header.numel:,} bytes in {state}")
        found[name] = Packed(
            shape, parts, partial(_whole, refuse=partial(unfit, ref, name), shape=shape)
        )
    return found


def _whole(
    parts: Sequence[Tensor],
    dtype: torch.dtype,
    refuse: Callable[[str], WeightsError],
    shape: tuple[int, ...],
) -> Tensor:
    packed, said, table, sizes, *nested = parts
    state = _read(said, refuse)
    if state.get("shape") != list(shape):
        raise refuse(f"shape {state.get('shape')!r}, its class has {list(shape)}")
    count, block = prod(shape), _positive(state, "blocksize", refuse)
    if nested:
        own = _positive(state, "nested_blocksize", refuse)
        offset = state.get("nested_offset")
        if not isinstance(offset, float | int):
            raise refuse(f"nested_offset {offset!r}")
        sizes = _scaled(sizes.flatten().long(), nested[0], nested[1], own, refuse) + offset
    halves = torch.stack([packed.flatten() >> 4, packed.flatten() & 15], -1).flatten()[:count]
    made = _scaled(halves.long(), table, sizes, block, refuse)
    first: torch.dtype = DTYPES.get(str(state.get("dtype")), torch.float32)
    return made.to(first).to(dtype).view(shape)


def _scaled(
    indices: Tensor,
    table: Tensor,
    sizes: Tensor,
    block: int,
    refuse: Callable[[str], WeightsError],
) -> Tensor:
    """What `table` says, times the size of its block, in float32."""
    blocks = -(-len(indices) // block)
    if sizes.numel() != blocks or table.numel() <= int(indices.max()):
        raise refuse(f"{sizes.numel()} sizes of {blocks} blocks, a table of {table.numel()}")
    each = sizes.flatten().float().repeat_interleave(block)[: len(indices)]
    return table.flatten().float()[indices].mul_(each)


def _read(said: Tensor, refuse: Callable[[str], WeightsError]) -> State:
    try:
        state = json.loads(bytes(said.flatten().tolist()))
    except (ValueError, RecursionError):
        state = None
    if not isinstance(state, dict):
        raise refuse("what says how it is stored is no JSON")
    return state


def _positive(state: State, name: str, refuse: Callable[[str], WeightsError]) -> int:
    found = state.get(name)
    if not isinstance(found, int) or isinstance(found, bool) or found < 1:
        raise refuse(f"{name} {found!r}")
    return found
