"""Similarities of many groups, of which only those in use need be in memory."""

from __future__ import annotations

import os
import tempfile
import threading
from collections.abc import Hashable, Iterator, MutableMapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

Similarities = dict[str, Tensor]
"""Space -> [outer..., n, outer..., n], rows the anchor's."""


@dataclass(frozen=True)
class _Place:
    """Where a tensor lies in the file."""

    offset: int
    shape: torch.Size
    dtype: torch.dtype

    @property
    def nbytes(self) -> int:
        return self.shape.numel() * self.dtype.itemsize


class Shelf(MutableMapping[Any, Similarities]):
    """Key -> similarities by space. What was changed in place is to be set again.

    on_disk: whether they are kept in a temporary file, which is removed with the shelf. May be
    used by several threads, each with keys of its own.
    """

    def __init__(self, *, on_disk: bool) -> None:
        self._held: dict[Hashable, Similarities] = {}
        self._places: dict[Hashable, dict[str, _Place]] = {}
        self._file = (
            tempfile.TemporaryFile(prefix="hubmerge-")  # noqa: SIM115 (closed with the shelf)
            if on_disk
            else None
        )
        self._end, self._lock = 0, threading.Lock()

    def __getitem__(self, key: Hashable) -> Similarities:
        if self._file is None:
            return self._held[key]
        return {name: self._read(place) for name, place in self._places[key].items()}

    def __setitem__(self, key: Hashable, value: Similarities) -> None:
        if self._file is None:
            self._held[key] = value
            return
        places = self._places.get(key, {})
        self._places[key] = {
            name: self._write(tensor, places.get(name)) for name, tensor in value.items()
        }

    def __delitem__(self, key: Hashable) -> None:
        del (self._held if self._file is None else self._places)[key]

    def __iter__(self) -> Iterator[Hashable]:
        return iter(self._held if self._file is None else self._places)

    def __len__(self) -> int:
        return len(self._held if self._file is None else self._places)

    def _read(self, place: _Place) -> Tensor:
        assert self._file is not None
        content = torch.empty(place.nbytes, dtype=torch.uint8)
        view, read = content.numpy().data, 0
        while read < len(view):
            got = os.preadv(self._file.fileno(), [view[read:]], place.offset + read)
            if not got:
                raise OSError("the temporary file of similarities has become shorter")
            read += got
        return content.view(place.dtype).view(place.shape)

    def _write(self, tensor: Tensor, before: _Place | None) -> _Place:
        assert self._file is not None
        tensor = tensor.detach().contiguous().cpu()
        place = before
        if place is None or (place.shape, place.dtype) != (tensor.shape, tensor.dtype):
            with self._lock:
                place = _Place(self._end, tensor.shape, tensor.dtype)
                self._end += place.nbytes
        view, at = tensor.flatten().view(torch.uint8).numpy().data, place.offset
        while len(view):
            written = os.pwrite(self._file.fileno(), view, at)
            view, at = view[written:], at + written
        return place
