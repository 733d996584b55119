"""Which tensor of a model each stored tensor becomes: transformers' own renaming, without weights.

Names on disk may be older than the model's, lack its prefix, or be split otherwise. transformers
decides what becomes of them; it is asked by loading stand-ins of the same names and shapes.
"""

from __future__ import annotations

import copy
from collections.abc import Iterable, Mapping
from functools import reduce
from typing import Any

import torch
from torch import Tensor
from transformers import PreTrainedConfig, PreTrainedModel

from hubmerge.hub.layout import DTYPES, FLOATING, TensorHeader

COUNTER = ".num_batches_tracked"
"""Ending of a batch norm's counter of training steps, which older checkpoints do not have and no
output depends on."""

NARROW_TO_WIDE = ("BF16", "F16", "F32", "F64")
"""Floating dtypes by a number that all of them hold exactly: their place here, from 1 on."""


def unmatched(
    kind: type[PreTrainedModel], config: PreTrainedConfig, stored: Mapping[str, TensorHeader]
) -> dict[str, Any] | None:
    """transformers' loading info for weights with these headers; takes no memory for them.

    None where it converts tensors in a way that needs their values.
    """
    shapes = {name: torch.empty(tensor.shape, device="meta") for name, tensor in stored.items()}
    try:
        return _loaded(kind, config, shapes, device_map="meta")[1]
    except Exception:  # each conversion fails in its own way, and loading will say so
        return None


def model_dtypes(
    model: PreTrainedModel, config: PreTrainedConfig, stored: Mapping[str, TensorHeader]
) -> dict[str, torch.dtype]:
    """The dtype that each floating tensor of `model` is stored in, by its name in the model.

    The widest one, where a tensor is made of several.
    """
    own = {name: v for name, v in model.state_dict().items() if v.is_floating_point()}
    kept = {name: tensor.dtype for name, tensor in stored.items() if tensor.dtype in FLOATING}
    if len({*kept.values()}) == 1:
        return dict.fromkeys(own, _dtype(*{*kept.values()}))
    if own.keys() >= kept.keys():
        return {name: _dtype(dtype) for name, dtype in kept.items()}
    code = {dtype: float(place) for place, dtype in enumerate(NARROW_TO_WIDE, 1)}
    marked = {
        name: torch.full((), code[dtype]).expand(stored[name].shape) for name, dtype in kept.items()
    }
    loaded, info = _loaded(type(model), config, marked, dtype=torch.bfloat16)
    found = loaded.state_dict()
    absent = {*info["missing_keys"]}
    return {
        name: _widest(found[name], code)
        for name, value in own.items()
        if value.numel() and name not in absent
    }


def became(
    model: PreTrainedModel, config: PreTrainedConfig, stored: Mapping[str, TensorHeader]
) -> dict[str, str]:
    """Stored name -> name in the model, of every tensor that is renamed and nothing else.

    What the class splits, stacks or ignores is left out.
    """
    names = list(stored)
    marked = {
        name: torch.full((), float(number)).expand(stored[name].shape)
        for number, name in enumerate(names, 1)
    }
    loaded, info = _loaded(type(model), config, marked, dtype=torch.float32)
    found: dict[str, str] = {}
    absent = {*info["missing_keys"]}
    for name, value in loaded.state_dict().items():
        if name in absent or not value.numel():
            continue
        low, high = (int(bound) for bound in value.double().aminmax())
        if low == high and 0 < low <= len(names) and stored[names[low - 1]].shape == value.shape:
            found.setdefault(names[low - 1], name)
    return found


def without_counters(names: Iterable[str]) -> list[str]:
    """`names`, sorted, but for counters that no output depends on."""
    return sorted(name for name in names if not name.endswith(COUNTER))


def reset_counters(model: PreTrainedModel, missing: Iterable[str]) -> None:
    """Sets the `missing` counters to 0, as they are before training."""
    state = model.state_dict()
    for name in missing:
        if name.endswith(COUNTER):
            state[name].zero_()


def _loaded(
    kind: type[PreTrainedModel],
    config: PreTrainedConfig,
    tensors: dict[str, Tensor],
    **options: Any,
) -> tuple[PreTrainedModel, dict[str, Any]]:
    loader: Any = kind  # whose annotation leaves out the loading info
    with torch.random.fork_rng(devices=[]):  # what is missing is drawn at random
        return loader.from_pretrained(
            None,
            config=copy.deepcopy(config),
            state_dict=tensors,
            output_loading_info=True,
            ignore_mismatched_sizes=True,
            **options,
        )


def _widest(marked: Tensor, code: Mapping[str, float]) -> torch.dtype:
    low, high = float(marked.min()), float(marked.max())
    return reduce(
        torch.promote_types,
        (_dtype(name) for name, place in code.items() if low <= place <= high),
    )


def _dtype(name: str) -> torch.dtype:
    found: torch.dtype = getattr(torch, DTYPES[name])
    return found
