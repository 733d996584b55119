"""A parent written anew: changed tensors in files of its own, everything else by links."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from hubmerge.hub.describe import Description
from hubmerge.hub.fetch import fetch, fetch_file, needed_files
from hubmerge.hub.headers import tensor_headers, weights_header
from hubmerge.hub.layout import DTYPES, INDEX, WEIGHTS, TensorHeader
from hubmerge.hub.source import Source
from hubmerge.streaming import Checkpoint, Shards, ShardWriter
from hubmerge.streaming.shards import Slot, header

ENDINGS = (".safetensors", INDEX)
"""Of files that are written here."""


@dataclass(frozen=True)
class Weights:
    """Tensors on disk, or, before their download, what their headers say.

    checkpoint: None as long as only headers are known.
    """

    source: Source
    headers: Mapping[str, TensorHeader]
    file_of: Mapping[str, str]
    checkpoint: Checkpoint | None

    @property
    def ref(self) -> str:
        """What messages call the model."""
        return self.source.ref

    def slots(self) -> list[Slot]:
        """Its tensors."""
        return [
            Slot(name, getattr(torch, DTYPES[each.dtype]), each.shape)
            for name, each in self.headers.items()
        ]

    def close(self) -> None:
        """Closes its files."""
        if self.checkpoint is not None:
            self.checkpoint.close()


@dataclass(frozen=True)
class Stored(Weights):
    """A model on disk, or, before its download, what its headers say."""

    description: Description


def weights_of(source: Source, *, headers_only: bool, trust_remote_code: bool) -> Weights:
    """The weights alone, in whatever dtypes. headers_only: as of `stored`."""
    if headers_only:
        tensors = tensor_headers(source)[0]
        return Weights(source, tensors, dict.fromkeys(tensors, WEIGHTS), None)
    checkpoint = Checkpoint(fetch(source, code=trust_remote_code), source.ref)
    return Weights(source, checkpoint.headers, checkpoint.file_of, checkpoint)


def stored(description: Description, *, headers_only: bool, trust_remote_code: bool) -> Stored:
    """The model of that description. headers_only: its weights are not needed, nor downloaded."""
    source = description.source
    if headers_only:
        tensors = weights_header(source).tensors
        files = dict.fromkeys(tensors, WEIGHTS)
        return Stored(source, tensors, files, None, description=description)
    folder = fetch(source, code=trust_remote_code)
    checkpoint = Checkpoint(folder, source.ref)
    return Stored(
        source, checkpoint.headers, checkpoint.file_of, checkpoint, description=description
    )


def write_parent(
    place: Path,
    model: Weights,
    slots: Sequence[Slot],
    changed: Collection[str],
    value: Callable[[Slot], Tensor],
    files: Mapping[str, str],
    *,
    links: Mapping[str, Path] | None = None,
    without: Callable[[str], bool] = lambda name: False,
    trust_remote_code: bool = False,
) -> None:
    """Writes a checkpoint into `place`, distributed over files as the model itself is.

    slots: its tensors. changed: those that are not the model's own. value: what they are. files:
    name -> text of what lies beside them. links: name -> the file that it is. without: of the
    model's own files, which are left out.
    Where only headers are known, files of weights have their size and no content.
    """
    place.mkdir(parents=True, exist_ok=True)
    shards = Shards.as_in(model.file_of, slots)
    write, checkpoint = {}, model.checkpoint
    own = Counter() if checkpoint is None else Counter(checkpoint.file_of.values())
    for file, held in shards.files.items():
        if checkpoint is None:
            write_headers(place / file, held)
        elif any(slot.name in changed for slot in held) or len(held) < own[file]:
            write[file] = held
        else:
            (place / file).symlink_to((checkpoint.folder / file).resolve())
    if checkpoint is not None and write:
        writer = ShardWriter(place, Shards(write))
        try:
            for held in write.values():
                for slot in held:
                    tensor = value(slot) if slot.name in changed else checkpoint[slot.name]
                    writer.write(slot.name, tensor)
        except BaseException:
            writer.abandon()
            raise
    if (index := shards.index()) is not None:
        (place / INDEX).write_text(index, encoding="utf-8")
    source = model.source
    beside = dict(links or {})
    for name in needed_files(source, code=trust_remote_code):
        if not (name.endswith(ENDINGS) or without(name)):
            beside.setdefault(name, fetch_file(source, name))
    for name, path in beside.items():
        if name not in files:
            (place / name).parent.mkdir(parents=True, exist_ok=True)
            (place / name).symlink_to(path.resolve())
    for name, text in files.items():
        (place / name).parent.mkdir(parents=True, exist_ok=True)
        (place / name).write_text(text, encoding="utf-8")


def write_headers(path: Path, slots: Sequence[Slot]) -> None:
    """Writes a file of weights that has its header, its size and no content."""
    with path.open("wb") as out:
        start = header(slots)
        out.write(start)
        out.truncate(len(start) + sum(slot.nbytes for slot in slots))


def json_text(fields: Mapping[str, Any]) -> str:
    """The text of a configuration's file."""
    return json.dumps(fields, indent=2, ensure_ascii=False) + "\n"
