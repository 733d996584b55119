"""Shards that are written tensor by tensor, with the bytes that safetensors itself would write."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from hubmerge.hub.layout import DTYPES, INDEX, WEIGHTS

STORED_AS = {getattr(torch, name): stored for stored, name in DTYPES.items()}
"""torch's dtypes -> their names in a header."""

ORDER = ("I64", "F64", "F32", "I32", "BF16", "F16", "I16", "I8", "U8", "BOOL")
"""In which safetensors lays dtypes down, so that every tensor is aligned."""

METADATA = {"format": "pt"}


@dataclass(frozen=True)
class Slot:
    """A tensor to be written."""

    name: str
    dtype: torch.dtype
    shape: tuple[int, ...]

    @property
    def nbytes(self) -> int:
        """Its size."""
        return self.dtype.itemsize * torch.Size(self.shape).numel()


@dataclass(frozen=True)
class Shards:
    """Which tensor lies in which file, in the order they are written."""

    files: Mapping[str, tuple[Slot, ...]]

    @classmethod
    def as_in(cls, file_of: Mapping[str, str], slots: Iterable[Slot]) -> Shards:
        """The given distribution over files: name of a tensor -> name of its file."""
        files: dict[str, list[Slot]] = {file: [] for file in sorted({*file_of.values()})}
        for slot in slots:
            files[file_of[slot.name]].append(slot)
        return cls({file: _in_order(found) for file, found in files.items() if found})

    @classmethod
    def of_size(cls, slots: Iterable[Slot], most: int) -> Shards:
        """As few files as there can be of at most `most` bytes of tensors each, in order of names.

        A tensor larger than that has a file to itself.
        """
        parts: list[list[Slot]] = [[]]
        for slot in sorted(slots, key=lambda each: each.name):
            if parts[-1] and sum(each.nbytes for each in parts[-1]) + slot.nbytes > most:
                parts.append([])
            parts[-1].append(slot)
        if len(parts) == 1:
            return cls({WEIGHTS: _in_order(parts[0])})
        return cls(
            {
                f"model-{number:05d}-of-{len(parts):05d}.safetensors": _in_order(part)
                for number, part in enumerate(parts, start=1)
            }
        )

    def only(self, files: Collection[str]) -> Shards:
        """Those in the given files."""
        return Shards({file: slots for file, slots in self.files.items() if file in files})

    def dealt(self, files: Collection[str], processes: int) -> list[list[str]]:
        """The given files, dealt out so that every process has about as many bytes to write."""
        shares: list[list[str]] = [[] for _ in range(processes)]
        for file in sorted(files, key=lambda each: (-self._bytes_of(each), each)):
            min(shares, key=lambda share: sum(map(self._bytes_of, share))).append(file)
        return [sorted(share) for share in shares]

    def _bytes_of(self, file: str) -> int:
        return sum(slot.nbytes for slot in self.files[file])

    @property
    def nbytes(self) -> int:
        """Bytes of all tensors."""
        return sum(slot.nbytes for slots in self.files.values() for slot in slots)

    def index(self) -> str | None:
        """The text of the index of shards; None where there is one file."""
        if list(self.files) == [WEIGHTS]:
            return None
        names = {slot.name: file for file, slots in self.files.items() for slot in slots}
        content = {
            "metadata": {"total_size": self.nbytes},
            "weight_map": dict(sorted(names.items())),
        }
        return json.dumps(content, indent=2, sort_keys=True) + "\n"


def header(slots: Iterable[Slot]) -> bytes:
    """The beginning of a file that holds these tensors, in their order.

    Source: https://huggingface.co/docs/safetensors/index#format
    """
    entries: dict[str, object] = {"__metadata__": METADATA}
    end = 0
    for slot in slots:
        start, end = end, end + slot.nbytes
        entries[slot.name] = {
            "dtype": STORED_AS[slot.dtype],
            "shape": list(slot.shape),
            "data_offsets": [start, end],
        }
    text = json.dumps(entries, separators=(",", ":"), ensure_ascii=False).encode()
    text += b" " * (-len(text) % 8)
    return len(text).to_bytes(8, "little") + text


def write_index(shards: Shards, folder: Path) -> None:
    """Writes the index of shards, where there are several."""
    index = shards.index()
    if index is not None:
        (folder / INDEX).write_text(index, encoding="utf-8")


class ShardWriter:
    """Writes shards into `folder`: every tensor once, in the order of `shards`.

    A file gets its name once it is whole and on the disk. `hashes` has the sha256 of all that are.
    whole: is called with a file's name and sha256 before it gets its name; where it raises, the
    file is not kept.
    """

    def __init__(
        self, folder: Path, shards: Shards, whole: Callable[[str, str], None] = lambda *_: None
    ) -> None:
        self.hashes: dict[str, str] = {}
        self._folder, self._shards, self._whole = folder, shards, whole
        self._waiting = [(file, slot) for file, slots in shards.files.items() for slot in slots]
        self._waiting.reverse()
        self._file: tuple[str, int] | None = None
        self._hash = hashlib.sha256()

    def write(self, name: str, value: Tensor) -> None:
        """Appends a tensor. Raises: ValueError, unless it is the next one, as it was announced."""
        file, slot = self._waiting[-1]
        if (name, value.dtype, tuple(value.shape)) != (slot.name, slot.dtype, slot.shape):
            raise ValueError(f"{slot} is to be written next, not {name} {value.dtype}")
        if self._file is None:
            if (self._folder / file).exists():
                raise FileExistsError(f"{self._folder / file} is there already")
            flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC
            self._file = file, os.open(self._unfinished(file), flags, 0o666)
            self._append(memoryview(header(self._shards.files[file])))
        flat = value.contiguous().flatten().view(torch.uint8)
        self._append(flat.numpy().data)
        self._waiting.pop()
        if not self._waiting or self._waiting[-1][0] != file:
            self._finish()

    def close(self) -> None:
        """Raises: ValueError, if tensors are missing."""
        if self._waiting:
            raise ValueError(f"{len(self._waiting)} tensors were not written")

    def abandon(self) -> None:
        """Closes and removes what is not whole."""
        if self._file is not None:
            os.close(self._file[1])
            self._unfinished(self._file[0]).unlink(missing_ok=True)
            self._file = None

    def _append(self, content: memoryview) -> None:
        assert self._file is not None
        self._hash.update(content)
        while len(content):
            content = content[os.write(self._file[1], content) :]

    def _finish(self) -> None:
        assert self._file is not None
        name, descriptor = self._file
        os.fsync(descriptor)
        self._whole(name, self._hash.hexdigest())
        os.close(descriptor)
        self._unfinished(name).rename(self._folder / name)
        self.hashes[name] = self._hash.hexdigest()
        self._file, self._hash = None, hashlib.sha256()

    def _unfinished(self, file: str) -> Path:
        return self._folder / f".{file}.part"


def _in_order(slots: Iterable[Slot]) -> tuple[Slot, ...]:
    return tuple(sorted(slots, key=lambda each: (ORDER.index(STORED_AS[each.dtype]), each.name)))
