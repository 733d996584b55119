"""Quantised parents as whole checkpoints."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, get_args

import torch
from torch import Tensor

from hubmerge.errors import RoundTripError, WeightsError
from hubmerge.hub.describe import load_config
from hubmerge.hub.fetch import fetch_file
from hubmerge.hub.json_files import read_json
from hubmerge.hub.layout import CONFIG, DTYPES, TensorHeader, stored_dtype
from hubmerge.hub.model_class import skeleton
from hubmerge.hub.other_formats import FOUR_BITS, method_of, quantised
from hubmerge.hub.source import Source, parse_ref
from hubmerge.models.building import building_at_most
from hubmerge.preparation.bitsandbytes import four_bits
from hubmerge.preparation.packed import Headers, Packed, Shapes, fp8, mxfp4, unpacked
from hubmerge.preparation.write import Weights, json_text, weights_of, write_parent
from hubmerge.recipe.words import DtypeName
from hubmerge.streaming.shards import Slot
from hubmerge.utils.foreign import refusing

QUANTISATION = "quantization_config"
Find = Callable[[Headers, Mapping[str, Any], str, Shapes], dict[str, Packed]]
METHODS: Mapping[str, Find] = {"fp8": fp8, "mxfp4": mxfp4, FOUR_BITS: four_bits}
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
    method = method_of(settings)
    if method not in METHODS:
        raise quantised(fields, source.ref)
    named = fields.get("dtype", fields.get("torch_dtype"))
    known = isinstance(named, str) and named in get_args(DtypeName)
    dtype: torch.dtype = getattr(torch, str(named) if known else "bfloat16")
    weights = weights_of(source, headers_only=headers_only, trust_remote_code=trust_remote_code)
    with ExitStack() as opened:
        if weights.checkpoint is not None:
            opened.callback(weights.checkpoint.close)
        shapes = partial(_shapes, fields, weights)
        packed = METHODS[method](weights.headers, settings, source.ref, shapes)
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


def _shapes(fields: Mapping[str, Any], weights: Weights) -> dict[str, tuple[int, ...]]:
    """Of the tensors of the class, which may be twice as large as the bytes that are stored."""

    def larger(found: str) -> WeightsError:
        return WeightsError(
            f"{CONFIG} of {weights.ref} does not belong to its weights", found=found
        )

    def unusable(said: str) -> WeightsError:
        return WeightsError(f"no model can be made of the {CONFIG} of {weights.ref}", found=said)

    elements = sum(2 * header.numel for header in weights.headers.values())
    with tempfile.TemporaryDirectory() as place:
        whole = {name: value for name, value in fields.items() if name != QUANTISATION}
        (Path(place) / CONFIG).write_text(json_text(whole), encoding="utf-8")
        config = load_config(Source(**vars(parse_ref(place))))
    with refusing(unusable), building_at_most(len(weights.headers), elements, larger):
        state = skeleton(config).state_dict()
    return {name: tuple(value.shape) for name, value in state.items()}


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
