"""How large images are: those a processor makes, and those a model takes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from PIL import Image
from transformers import PreTrainedConfig, PreTrainedModel

Size = tuple[int, int]
"""Height and width."""

SQUARES: tuple[Size, ...] = ((48, 48), (320, 320))
"""Sizes of images that come out alike only where a processor gives squares a size of its own."""

OBLONG: Size = (48, 64)
"""That of one which is no square."""

MODES = {1: "L", 3: "RGB", 4: "RGBA"}
"""Channels -> what an image with that many is."""


def image_size(config: PreTrainedConfig, processor: Any) -> Size | None:
    """How large a square image must be that a model's processor prepares for it.

    What the processor resizes images to; if it does not resize, what the configuration names, or
    what the processor crops or pads images to. None where nothing says it.
    """
    if getattr(processor, "do_resize", True):
        resized = _pair(getattr(processor, "size", None))
        return resized or _pair(getattr(config, "image_size", None))
    named = _pair(getattr(config, "image_size", None))
    for does, size in (("do_center_crop", "crop_size"), ("do_pad", "pad_size")):
        if named is None and getattr(processor, does, False):
            named = _pair(getattr(processor, size, None))
    return named


def misfit(model: PreTrainedModel, processor: Any) -> tuple[Size, Size] | None:
    """The size a processor gives its images, and the one the model takes, if it refuses the former.

    None also where the processor leaves images as large as they are.
    model: may be on the meta device.
    """
    if processor is None or _pair(getattr(model.config, "image_size", None)) is None:
        return None
    return refused(model, _made(processor, _channels(model)))


def refused(model: PreTrainedModel, sizes: Sequence[Size]) -> tuple[Size, Size] | None:
    """The first of `sizes` and the one that `model` takes, if its forward refuses them all.

    None unless it takes the size that its configuration names.
    """
    wanted = _pair(getattr(model.config, "image_size", None))
    if wanted is None or not sizes or wanted in sizes or not _taken(model, wanted):
        return None
    return None if any(_taken(model, size) for size in sizes) else (sizes[0], wanted)


def _made(processor: Any, channels: int) -> list[Size]:
    """What squares become, and an oblong; nothing if squares keep a size of their own."""
    try:
        made = [_out(processor, channels, size) for size in (*SQUARES, OBLONG)]
    except Exception:  # each processor refuses in its own way what it cannot prepare
        return []
    return [made[0], made[-1]] if len(set(made[:-1])) == 1 else []


def _out(processor: Any, channels: int, size: Size) -> Size:
    image = Image.new(MODES[channels], size[::-1])
    height, width = processor(images=[image], return_tensors="pt")["pixel_values"].shape[-2:]
    return int(height), int(width)


def _channels(model: PreTrainedModel) -> int:
    return getattr(model.config, "num_channels", 3)


def _taken(model: PreTrainedModel, size: Size) -> bool:
    pixels = torch.zeros(1, _channels(model), *size, device=model.device)
    try:
        with torch.inference_mode():
            model(pixel_values=pixels.to(model.dtype))
    except Exception:  # each model refuses in its own way what it does not take
        return False
    return True


def _pair(size: Any) -> Size | None:
    if isinstance(size, int):
        return size, size
    if isinstance(size, list | tuple) and len(size) == 2:
        return int(size[0]), int(size[1])
    if size is not None and hasattr(size, "get"):
        edge = size.get("shortest_edge") or size.get("height")
        if edge:
            return int(size.get("height") or edge), int(size.get("width") or edge)
    return None
