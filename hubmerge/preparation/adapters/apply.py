"""Bases with their adapters added, as whole checkpoints."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import torch
from safetensors import safe_open
from torch import Tensor

from hubmerge.errors import (
    AccessError,
    HubUnavailableError,
    NotFoundError,
    RoundTripError,
    WeightsError,
)
from hubmerge.hub.describe import describe
from hubmerge.hub.fetch import fetch_file, file_sizes
from hubmerge.hub.json_files import read_json
from hubmerge.hub.layout import CONFIG, TensorHeader, read_header
from hubmerge.hub.other_formats import ADAPTER, ADAPTER_WEIGHTS
from hubmerge.hub.source import Source, resolve_on_hub
from hubmerge.preparation.adapters.config import AdapterConfig, read_config
from hubmerge.preparation.adapters.deltas import Contents, adapted, contents
from hubmerge.preparation.names import names_in
from hubmerge.preparation.write import Stored, stored, write_parent
from hubmerge.streaming.shards import Slot


def is_adapter(source: Source) -> bool:
    """Whether a repository or folder holds an adapter, and no model beside it."""
    names = file_sizes(source)
    return ADAPTER in names and CONFIG not in names


def base_of(adapter: Source) -> Source:
    """The base that an adapter names, on the Hub.

    Raises: WeightsError, if it names none; NotFoundError, AccessError, HubUnavailableError, if it
    cannot be had.
    """
    config = _config(adapter)
    if config.base is None:
        raise WeightsError(
            f"the adapter {adapter.ref} names no base on the Hub",
            source=ADAPTER,
            hint="say which it is, BASE+ADAPTER: a Hub id, or a folder",
        )
    try:
        return resolve_on_hub(config.base, config.revision)
    except (NotFoundError, AccessError, HubUnavailableError) as error:
        said = error.message
        raise type(error)(
            said.what,
            found="\n".join(filter(None, [said.found, f"{adapter.ref} is a PEFT adapter of it"])),
            source=said.source,
            hint=f"where the base lies elsewhere, say so: BASE+{adapter.ref}",
        ) from error


def with_adapters(
    source: Source, place: Path, *, headers_only: bool, trust_remote_code: bool
) -> Source:
    """A model with its adapters added, written into `place`.

    headers_only: as `write_parent`. Raises: WeightsError, for an adapter that does not fit, or is
    of a kind that is not known.
    """
    description = describe(source, trust_remote_code=trust_remote_code)
    model = stored(description, headers_only=headers_only, trust_remote_code=trust_remote_code)
    with ExitStack() as opened:
        opened.callback(model.close)
        by_model = {name: disk for disk, name in names_in(model).items()}
        adapters = [_opened(each, [*by_model], opened) for each in source.adapters]
        changed = {
            by_model[name]
            for each in adapters
            for name in (*each.contents.modules, *each.contents.whole)
        }
        for each in adapters:
            _check_shapes(each, model, by_model)
        write_parent(
            place,
            model,
            model.slots(),
            changed,
            partial(_value, model=model, adapters=adapters, names=names_in(model)),
            {},
            trust_remote_code=trust_remote_code,
        )
    return replace(source, folder=place, origins=source.made_of)


@dataclass(frozen=True)
class _Adapter:
    """An adapter's tensors, open."""

    ref: str
    config: AdapterConfig
    contents: Contents
    headers: dict[str, TensorHeader]
    read: Callable[[str], Tensor]


def _config(adapter: Source) -> AdapterConfig:
    names = file_sizes(adapter)
    if ADAPTER not in names:
        raise WeightsError(
            f"{adapter.ref} is no adapter",
            found=f"it has no {ADAPTER}",
            hint="BASE+ADAPTER takes adapters in PEFT's format",
        )
    return read_config(read_json(fetch_file(adapter, ADAPTER), adapter.ref), adapter.ref)


def _opened(adapter: Source, known: Sequence[str], opened: ExitStack) -> _Adapter:
    """An adapter whose tensors belong to those of the model."""
    config = _config(adapter)
    if ADAPTER_WEIGHTS not in file_sizes(adapter):
        raise WeightsError(
            f"the adapter {adapter.ref} has no {ADAPTER_WEIGHTS}",
            hint="pickled weights can run code, so they are not opened: load it with peft where "
            "you trust it, and save it again",
        )
    path = fetch_file(adapter, ADAPTER_WEIGHTS)
    headers = read_header(path)
    found = contents(headers, known, config, adapter.ref)
    file = opened.enter_context(safe_open(path, framework="pt"))
    return _Adapter(adapter.ref, config, found, headers, file.get_tensor)


def _check_shapes(adapter: _Adapter, model: Stored, by_model: dict[str, str]) -> None:
    for name, stored_as in adapter.contents.whole.items():
        own, theirs = model.headers[by_model[name]], adapter.headers[stored_as]
        if own.shape != theirs.shape:
            raise WeightsError(
                f"the adapter {adapter.ref} brings a table of another size than its base's",
                found=f"{name} is {list(own.shape)} there, and {list(theirs.shape)} here",
                hint="merge it into its base first: peft's merge_and_unload",
            )


def _value(
    slot: Slot, *, model: Stored, adapters: Sequence[_Adapter], names: dict[str, str]
) -> Tensor:
    """A tensor of the base with what every adapter makes of it, in the base's dtype."""
    assert model.checkpoint is not None
    name, value = names[slot.name], model.checkpoint[slot.name].float()
    for each in adapters:
        if name in each.contents.whole:
            value = each.read(each.contents.whole[name]).float()
        if (module := each.contents.modules.get(name)) is not None:
            parts = {part: each.read(part) for part in module.parts.values()}
            value = adapted(value, module, parts, each.config, each.ref)
    made = value.to(slot.dtype)
    if not torch.isfinite(made).all():
        raise RoundTripError(
            f"{model.ref} with its adapter does not fit into the dtype of the base",
            found=slot.name,
        )
    return made
