"""Tensors that quantised checkpoints store as several, and what they were.

fp8: a weight in float8_e4m3fn, and beside it a scale for each of its blocks, of 128 x 128 in most
models (arXiv:2412.19437, section 3.3). mxfp4: two numbers of 4 bits in a byte, and a power of two
for every 32 of them (arXiv:2310.10537, section 2), of the experts of gpt-oss, which their class
holds transposed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from math import prod
from typing import Any

import torch
from torch import Tensor

from hubmerge.errors import WeightsError
from hubmerge.hub.layout import TensorHeader

FP8 = "F8_E4M3"
SCALE = "_scale_inv"
"""Ending of the name of a weight's scales, which it is multiplied by."""
OF_ACTIVATIONS = (".activation_scale", ".input_scale")
"""Endings of what belongs to activations that are quantised, too."""
BLOCK = (128, 128)
BLOCKS, SCALES = "_blocks", "_scales"
EXPONENT = 127
"""What a stored power of two is larger by."""
FP4 = (0.0, 0.5, 1.0, 1.5, 2.0, 3.0, 4.0, 6.0, -0.0, -0.5, -1.0, -1.5, -2.0, -3.0, -4.0, -6.0)
"""What the 16 numbers of 4 bits mean, E2M1."""

Headers = Mapping[str, TensorHeader]
Shapes = Callable[[], Mapping[str, tuple[int, ...]]]
"""Makes the shapes of the model's tensors, of its class."""


@dataclass(frozen=True)
class Packed:
    """A tensor that is stored as several.

    parts: their names. whole: these, and the dtype that is wanted -> the tensor of that shape.
    """

    shape: tuple[int, ...]
    parts: tuple[str, ...]
    whole: Callable[[Sequence[Tensor], torch.dtype], Tensor]


def fp8(
    headers: Headers, settings: Mapping[str, Any], ref: str, shapes: Shapes
) -> dict[str, Packed]:
    """Every weight in float8 by its name, with its scales.

    settings: the configuration's. Raises: WeightsError, where one has no scales, or others than one
    for each block.
    """
    block = _block(settings, ref)
    found = {}
    for name, header in headers.items():
        if header.dtype != FP8:
            continue
        scales = headers.get(name + SCALE)
        if scales is None or len(header.shape) < 2:
            raise unfit(ref, name, f"no {name + SCALE} beside it")
        rows, columns = header.shape[-2:]
        grid = (*header.shape[:-2], -(-rows // block[0]), -(-columns // block[1]))
        if scales.shape != grid:
            said = f"{list(scales.shape)} scales for {list(header.shape)} in blocks of {block}"
            raise unfit(ref, name, said)
        found[name] = Packed(header.shape, (name, name + SCALE), partial(_of_fp8, block=block))
    return found


def mxfp4(
    headers: Headers, settings: Mapping[str, Any], ref: str, shapes: Shapes
) -> dict[str, Packed]:
    """Every table of experts in 4 bits by its name, with its scales. Raises: as `fp8`."""
    found = {}
    for blocks, header in headers.items():
        if not blocks.endswith(BLOCKS):
            continue
        name = blocks.removesuffix(BLOCKS)
        scales = headers.get(name + SCALES)
        if scales is None or scales.shape != header.shape[:-1] or len(header.shape) < 4:
            there = "none" if scales is None else list(scales.shape)
            raise unfit(ref, blocks, f"{list(header.shape)}, and scales {there}")
        *experts, rows, groups, size = header.shape
        shape = (*experts, 2 * groups * size, rows)
        found[name] = Packed(shape, (blocks, name + SCALES), _of_mxfp4)
    return found


def unpacked(headers: Headers, packed: Mapping[str, Packed]) -> list[str]:
    """Names of stored tensors that are no parts of others."""
    parts = {part for each in packed.values() for part in each.parts}
    modules = {name.rpartition(".")[0] for name in packed}
    parts |= {module + end for module in modules for end in OF_ACTIVATIONS}
    return [name for name in headers if name not in parts]


def _block(settings: Mapping[str, Any], ref: str) -> tuple[int, int]:
    given = settings.get("weight_block_size", BLOCK)
    if isinstance(given, list | tuple) and len(given) == 2:
        rows, columns = given
        if all(isinstance(n, int) and n > 0 for n in (rows, columns)):
            return rows, columns
    raise WeightsError(
        f"{ref} is quantised in a way that is not known",
        found=f"weight_block_size {given!r}",
        hint="two numbers: rows and columns of a block that has one scale",
    )


def unfit(ref: str, name: str, found: str) -> WeightsError:
    """The error for a tensor whose parts do not fit together."""
    return WeightsError(
        f"weights of {ref} cannot be dequantised: {name}",
        found=found,
        hint="merge the model that it was made from",
    )


def _of_fp8(parts: Sequence[Tensor], dtype: torch.dtype, block: tuple[int, int]) -> Tensor:
    weight, scales = parts
    powers = not scales.is_floating_point()
    scales = (scales.float() - EXPONENT).exp2() if powers else scales.float()
    made = weight.float()
    rows, columns = made.shape[-2:]
    for axis, (size, length) in enumerate(zip(block, (rows, columns), strict=True), start=-2):
        scales = scales.repeat_interleave(size, axis).narrow(axis, 0, length)
    return made.mul_(scales).to(dtype)


def _of_mxfp4(parts: Sequence[Tensor], dtype: torch.dtype) -> Tensor:
    blocks, scales = parts
    *experts, rows, groups, size = blocks.shape
    count = prod(experts)
    made = torch.empty(count, 2 * groups * size, rows, dtype=dtype)
    values = torch.tensor(FP4)
    pairs = zip(blocks.flatten(0, -4), scales.flatten(0, -3), strict=True)
    for number, (pair, power) in enumerate(pairs):  # one by one: in float32 all would be large
        digits = torch.stack([pair & 15, pair >> 4], -1).flatten(-2).long()
        whole = torch.ldexp(values[digits], (power.int() - EXPONENT).unsqueeze(-1))
        made[number] = whole.flatten(-2).T
    return made.view(*experts, *made.shape[1:])
