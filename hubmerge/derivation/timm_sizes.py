"""Narrower models of timm: by arguments of their class, for their configuration has no sizes."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any

import torch
from transformers import PreTrainedConfig

WIDTHS = (8, 12, 20, 28, 36, 44)
"""Of stages, one after the other."""
INSIDE = 8
"""Width of a head."""
SIDE = 64
"""Of a picture, for a class that takes any."""


def narrow_timm(config: PreTrainedConfig) -> None:
    """Narrows a ResNet, a ConvNeXt or a vision transformer of timm; leaves others as they are."""
    import timm

    said: Any = getattr(config, "model_args", None) or {}
    with torch.device("meta"):
        model: Any = timm.create_model(str(config.architecture), num_classes=1, **said)
    known = inspect.signature(type(model).__init__).parameters
    args: dict[str, Any] = dict(said)
    stages = next((n for n in ("channels", "dims") if n in known), None)
    blocks = getattr(model, "blocks", None)
    if stages is not None:
        given = [*(args.get(stages) or known[stages].default)]
        first = given[:1] if stages == "channels" else [WIDTHS[0]]  # as wide as a ResNet's stem
        args[stages] = [*first, *WIDTHS[1 : len(given)]]
    elif "embed_dim" in known and "num_heads" in known and blocks is not None:
        args["embed_dim"] = INSIDE * int(blocks[0].attn.num_heads)
        args["img_size"] = 4 * int(model.patch_embed.patch_size[0])
    else:
        return
    config.model_args = args
    trained = getattr(config, "pretrained_cfg", None)
    if stages is not None and isinstance(trained, Mapping):
        config.pretrained_cfg = {**trained, "input_size": [3, SIDE, SIDE]}
