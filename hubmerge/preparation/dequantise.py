"""Quantised parents as whole checkpoints."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, get_args

import torch
from torch import Tensor

from hubmerge.errors import RoundTripError
from hubmerge.hub.fetch import fetch_file
from hubmerge.hub.json_files import read_json
from hubmerge.hub.layout import CONFIG, DTYPES, TensorHeader, stored_dtype
from hubmerge.hub.other_formats import quantised
from hubmerge.hub.source import Source
from hubmerge.preparation.packed import Headers, Packed, fp8, mxfp4, unpacked
from hubmerge.preparation.write import Weights, json_text, weights_of, write_parent
from hubmerge.recipe.words import DtypeName
from hubmerge.streaming.shards import Slot

QUANTISATION = "quantization_config"
METHODS: Mapping[str, Callable[[Headers, Mapping[str, Any], str], dict[str, Packed]]] = {
    "fp8": fp8,
    "mxfp4": mxfp4,
}
"""quant_method of a configuration -> which of its tensors are stored as several."""


def dequantised(
    source: Source, place: Path, *, headers_only: bool, trust_remote_code: bool
) -> Source:
    """A model with whole weights, written into `place`; itself, where they are whole.

    They are stored in the dtype that its configuration names, as transformers dequantises them.
    headers_only: as `write_parent`.
    Raises: WeightsError, for weights that are quantised in another way, or do not fit together.
    """
    fields = read_json(fetch_file(source, CONFIG), source.ref)
    if QUANTISATION not in fields:
        return source
    settings = fields[QUANTISATION]
    method = str(settings.get("quant_method")) if isinstance(settings, dict) else ""
    if method not in METHODS:
        raise quantised(fields, source.ref)
    named = fields.get("dtype", fields.get("torch_dtype"))
    known = isinstance(named, str) and named in get_args(DtypeName)
    dtype: torch.dtype = getattr(torch, str(named) if known else "bfloat16")
    weights = weights_of(source, headers_only=headers_only, trust_remote_code=trust_remote_code)
    with ExitStack() as opened:
        if weights.checkpoint is not None:
            opened.callback(weights.checkpoint.close)
        packed = METHODS[method](weights.headers, settings, source.ref)
        kept = unpacked(weights.headers, packed)
        stored_dtype({name: weights.headers[name] for name in kept}, source.ref)
        slots = [
            *(_slot(name, weights.headers[name]) for name in kept),
            *(Slot(name, dtype, each.shape) for name, each in packed.items()),
        ]
        files = {name: weights.file_of[each.parts[0]] for name, each in packed.items()}
        write_parent(
            place,
            replace(weights, file_of={**weights.file_of, **files}),
            slots,
            packed,
            partial(_value, weights=weights, packed=packed),
            {CONFIG: json_text({n: v for n, v in fields.items() if n != QUANTISATION})},
            trust_remote_code=trust_remote_code,
        )
    return replace(source, folder=place, origins=source.made_of, quantised=method)


def _slot(name: str, header: TensorHeader) -> Slot:
    return Slot(name, getattr(torch, DTYPES[header.dtype]), header.shape)


def _value(slot: Slot, *, weights: Weights, packed: Mapping[str, Packed]) -> Tensor:
    assert weights.checkpoint is not None
    each = packed[slot.name]
    made = each.whole([weights.checkpoint[part] for part in each.parts], slot.dtype)
    if not torch.isfinite(made).all():
        raise RoundTripError(
            f"{weights.ref} cannot be dequantised: it does not fit into {slot.dtype}",
            found=f"{slot.name} is not finite in it",
        )
    return made
