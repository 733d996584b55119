"""A checkpoint on disk whose tensors are read when they are asked for."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import TracebackType

import torch
from torch import Tensor

from hubmerge.errors import WeightsError
from hubmerge.hub.layout import DTYPES, joined, read_header, weight_files
from hubmerge.hub.source import folder_files
from hubmerge.specs.spec import Spec
from hubmerge.symmetry.permutation import Permutation, permute_tensor

SIZES = {
    "F64": 8,
    "F32": 4,
    "F16": 2,
    "BF16": 2,
    "I64": 8,
    "I32": 4,
    "I16": 2,
    "I8": 1,
    "U8": 1,
    "BOOL": 1,
    "F8_E4M3": 1,
    "F8_E8M0": 1,
}
"""Bytes of an element, by its dtype in a header."""


QUANTISED = {"F8_E4M3": "float8_e4m3fn", "F8_E8M0": "float8_e8m0fnu"}
"""Dtypes of what is to be dequantised -> their names in torch."""


class Checkpoint(Mapping[str, Tensor]):
    """The tensors of the checkpoint in `folder`, by their names on disk, read at every access.

    name: what messages call it; None: by its folder.
    Bytes are copied from the file and not mapped, so that a process holds no more than what it
    reads. May be read by several threads at once. To be closed, or used in a `with`.
    Raises: WeightsError, where a file is damaged, a tensor lies in two of them, or the index names
    a shard that is not there.
    """

    def __init__(self, folder: Path, name: str | None = None) -> None:
        self.folder, self.name = folder, name or str(folder)
        names = weight_files(folder_files(folder), lambda name: folder / name, self.name)
        self.files = tuple(name for name in names if name.endswith(".safetensors"))
        headers = {file: read_header(folder / file) for file in self.files}
        self.headers = joined(headers.values(), self.name)
        self.file_of = {name: file for file, found in headers.items() for name in found}
        self._open = {file: os.open(folder / file, os.O_RDONLY) for file in self.files}
        self._seen = {file: _state(os.fstat(opened)) for file, opened in self._open.items()}

    def __getitem__(self, name: str) -> Tensor:
        return self.part(name, 0, self.headers[name].numel).view(self.headers[name].shape)

    def __iter__(self) -> Iterator[str]:
        return iter(self.headers)

    def __len__(self) -> int:
        return len(self.headers)

    def __enter__(self) -> Checkpoint:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def dtype(self, name: str) -> torch.dtype:
        """What the tensor is stored as."""
        stored = self.headers[name].dtype
        found: torch.dtype = getattr(torch, QUANTISED.get(stored) or DTYPES[stored])
        return found

    def part(self, name: str, start: int, count: int) -> Tensor:
        """`count` elements of a tensor taken as flat, from element `start` on: [count].

        Raises: WeightsError, if the file has become shorter since it was opened.
        """
        header, file = self.headers[name], self.file_of[name]
        size = SIZES[header.dtype]
        content = torch.empty(count * size, dtype=torch.uint8)
        view, at, read = content.numpy().data, header.offset + start * size, 0
        while read < len(view):
            got = os.preadv(self._open[file], [view[read:]], at + read)
            if not got:
                raise WeightsError(
                    f"{file} of {self.name} ended within {name}",
                    found="it has become shorter while it was read",
                    hint="let nothing write to a model that is being merged",
                )
            read += got
        return content.view(self.dtype(name))

    def refuse_changes(self) -> None:
        """Raises: WeightsError, if a file is no longer what was opened, by size, time or place."""
        for file, seen in self._seen.items():
            try:
                now = _state(os.stat(self.folder / file))
            except FileNotFoundError:
                now = None
            if now != seen:
                raise WeightsError(
                    f"{file} of {self.name} has changed while it was read",
                    found="it is gone" if now is None else "another size, time or file",
                    hint="let nothing write to a model that is being merged, and merge again",
                )

    def close(self) -> None:
        """Closes its files; nothing can be read afterwards."""
        while self._open:
            os.close(self._open.popitem()[1])


class Permuted(Checkpoint):
    """A checkpoint whose tensors have their axes reordered as they are read.

    spec: of its tensors, by their names on disk. permutation: of the spec's spaces.
    """

    def __init__(
        self, folder: Path, name: str | None, spec: Spec, permutation: Permutation
    ) -> None:
        super().__init__(folder, name)
        self._spec, self._permutation = spec, permutation

    def __getitem__(self, name: str) -> Tensor:
        header = self.headers[name]
        value = super().part(name, 0, header.numel).view(header.shape)
        layout = self._spec.tensors.get(name)
        if layout is None:
            return value
        return permute_tensor(self._spec, value, layout, self._permutation)

    def part(self, name: str, start: int, count: int) -> Tensor:
        """As of any checkpoint; the whole tensor is read and reordered for it."""
        return self[name].flatten()[start : start + count]


def _state(status: os.stat_result) -> tuple[int, int, int, int]:
    """What a file that is written to changes in."""
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns
