"""Fewer words, places, labels, experts and pixels; and widths that are tables of a class."""

from __future__ import annotations

from typing import Any

from transformers import PreTrainedConfig

from hubmerge.derivation.sized_fields import (
    CHOSEN,
    EXPERTS,
    PLACES,
    STAGES,
    STATES,
    WORDS,
    is_size,
    numbers,
    put,
)
from hubmerge.models.probe_inputs import configurations

THIN = 0.125
"""Factor of widths that are tables of a class."""


def fewer_experts(config: PreTrainedConfig) -> None:
    """Four experts, two of which are chosen, or two groups of four; and two groups of states."""
    few = 8 if is_size(groups := getattr(config, "n_group", 1)) and groups > 1 else 4
    for name, value in dict(vars(config)).items():
        if EXPERTS.search(name) and is_size(value) and value > few:
            put(config, name, few)
        elif (CHOSEN.search(name) or name == "n_group") and is_size(value) and value > 2:
            put(config, name, 2)
        elif name == "topk_group" and is_size(value) and value > 1:
            put(config, name, 1)
        elif STATES.search(name) and is_size(value) and value > 2:
            put(config, name, 2)


def as_many_experts(config: PreTrainedConfig, real: PreTrainedConfig) -> None:
    """Experts that are modules of their own are all there: their names are."""
    for each, theirs in zip(configurations(config), configurations(real), strict=False):
        for name, value in dict(vars(theirs)).items():
            if EXPERTS.search(name) and is_size(value):
                put(each, name, value)


def thinner(config: PreTrainedConfig) -> bool:
    """Narrows a network whose widths are tables of its class, times a factor; False for others."""
    factor = getattr(config, "width_coefficient", None)
    if isinstance(factor, float) and factor > 0.25:
        hidden: Any = getattr(config, "hidden_dim", None)
        put(config, "width_coefficient", THIN)
        if is_size(hidden):
            put(config, "hidden_dim", round(hidden * THIN / factor / 8) * 8)
    multiplier = getattr(config, "depth_multiplier", None)
    if isinstance(multiplier, float) and multiplier > 0.25:
        put(config, "depth_multiplier", 0.25)
    return isinstance(factor, float) or isinstance(multiplier, float)


def shorten(config: PreTrainedConfig) -> None:
    """Fewer words, places and labels; special tokens and pictures follow."""
    fields = dict(vars(config))
    words = [n for n, v in fields.items() if WORDS.search(n) and is_size(v) and v > 16]
    lengths = list(dict.fromkeys(fields[name] for name in words))
    for name in words:  # vocabularies of one length may be one
        put(config, name, 99 + 2 * lengths.index(fields[name]))
    if words:
        limit, free = 99, iter(range(3, 40))
        for name, value in fields.items():
            if name.endswith(("token_id", "token_index")) or name == "pad_index":
                for each in numbers(value):
                    if each >= limit:
                        number = next(free)
                        put(config, name, number if isinstance(value, int) else [number])
    for name, value in fields.items():
        if PLACES.search(name) and is_size(value) and value > 16:
            put(config, name, 62)
        elif name == "type_vocab_size" and is_size(value) and value > 8:
            put(config, name, 5)
    patch: Any = fields.get("patch_size")
    square = "image_size" if "image_size" in fields else "spec_size"
    side: Any = fields.get(square)
    window: Any = fields.get("window_size")
    staged = any(STAGES.search(name) for name in fields)
    if staged and is_size(side) and is_size(patch) and is_size(window):
        narrow = min(window, 4)
        halved = 2 ** max(len(v) - 1 for n, v in fields.items() if STAGES.search(n))
        put(config, "window_size", narrow)
        put(config, square, patch * narrow * halved)
    elif is_size(side) and is_size(patch) and side > 4 * patch and side % patch == 0 and not staged:
        put(config, square, 3 * patch)
    elif is_size(side) and side > 64 and (side % 32 == 0 or patch is None):
        put(config, square, 64)
    elif numbers(side) and len(side) == 2 and is_size(patch) and min(side) > 4 * patch:
        put(config, square, [3 * patch, 4 * patch])
    if is_size(fields.get("num_patches")) and fields["num_patches"] > 16:  # a square number
        put(config, "num_patches", 16)
    if _labels(config) > 16:
        config.num_labels = 13


def _labels(config: PreTrainedConfig) -> int:
    return len(getattr(config, "id2label", None) or {})
