"""Names, shapes and dtypes of a model's tensors, without downloading its weights."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from huggingface_hub.errors import SafetensorsParsingError
from huggingface_hub.utils import SafetensorsFileMetadata

from hubmerge.hub.client import ask, client, endpoint
from hubmerge.hub.fetch import fetch_file, fetched_apart, file_sizes
from hubmerge.hub.layout import (
    FLOATING,
    INDEX,
    TensorHeader,
    checked_header,
    joined,
    no_safetensors,
    read_header,
    refuse_unstored,
    stored_dtype,
    truncated,
    weight_files,
)
from hubmerge.hub.other_formats import pointer
from hubmerge.hub.source import Source
from hubmerge.utils.foreign import said
from hubmerge.utils.lfs import POINTER_BYTES, is_pointer

_DAMAGED = (
    SafetensorsParsingError,
    RecursionError,
    ValueError,
    TypeError,
    KeyError,
    AttributeError,
    IndexError,
)
"""What the client ends with at a header that is none."""


@dataclass(frozen=True)
class WeightsHeader:
    """All tensors of a model as they are stored (under their names on disk)."""

    tensors: dict[str, TensorHeader]
    bytes: int
    """Size of the weight files."""
    dtype: str
    """The one most weights are stored in, by its name in torch."""

    @property
    def numel(self) -> int:
        """Number of stored elements: parameters and buffers."""
        return sum(tensor.numel for tensor in self.tensors.values())

    @property
    def floating(self) -> int:
        """Number of stored floating-point elements."""
        return sum(t.numel for t in self.tensors.values() if t.dtype in FLOATING)


def weights_header(source: Source) -> WeightsHeader:
    """Read the headers of all weight files, by range from the Hub.

    Raises: WeightsError, if weights are pickled, missing, truncated or of an unknown dtype;
    AccessError, HubUnavailableError.
    """
    tensors, total = tensor_headers(source)
    return WeightsHeader(tensors, total, stored_dtype(tensors, source.ref))


def tensor_headers(source: Source) -> tuple[dict[str, TensorHeader], int]:
    """The headers of tensors of any dtype, and the bytes of their files.

    Raises: as `weights_header`.
    """
    sizes = file_sizes(source)
    names = weight_files(sizes, lambda name: fetch_file(source, name), source.ref)
    files = [name for name in names if name.endswith(".safetensors")]
    tensors = joined((_header(source, name, sizes[name]) for name in files), source.ref)
    if INDEX in names:
        refuse_unstored(fetch_file(source, INDEX), tensors, source.ref)
    return tensors, sum(sizes[name] for name in files)


def _header(source: Source, name: str, size: int) -> dict[str, TensorHeader]:
    if source.folder is not None:
        return read_header(source.folder / name)
    return dict(_remote_header(source, name, size, endpoint()))


@lru_cache(maxsize=256)
def _remote_header(
    source: Source, name: str, size: int, _hub: str
) -> tuple[tuple[str, TensorHeader], ...]:
    """Asked once: what a commit of one Hub holds does not change."""

    def look() -> dict[str, TensorHeader]:
        try:
            found = client().parse_safetensors_file_metadata(source.id, name, revision=source.sha)
        except _DAMAGED as error:  # the client reads a header as it comes
            if size <= POINTER_BYTES and is_pointer(fetched_apart(source, name)):
                raise pointer(name, source.ref) from error
            raise no_safetensors(name, source.ref, said(error)) from error
        if not _is_text(found.metadata):
            raise no_safetensors(name, source.ref, "__metadata__ that is no text")
        header, data = checked_header(found.tensors, name, source.ref)
        promised = _least_bytes(found, data)
        if size < promised:
            raise truncated(name, source.ref, f"{size} bytes, its header promises {promised}")
        return header

    return tuple(ask(look, source.ref).items())


def _is_text(metadata: Any) -> bool:
    return metadata is None or (
        isinstance(metadata, dict) and all(isinstance(said, str) for said in metadata.values())
    )


def _least_bytes(header: SafetensorsFileMetadata, data: int) -> int:
    """The size a file with this header has at the least, its header written as tersely as can be.

    data: bytes of its tensors.

    Format: https://huggingface.co/docs/safetensors/index#format
    """
    entries: dict[str, Any] = {
        name: {"dtype": t.dtype, "shape": t.shape, "data_offsets": t.data_offsets}
        for name, t in header.tensors.items()
    }
    if header.metadata:
        entries["__metadata__"] = header.metadata
    terse = json.dumps(entries, separators=(",", ":"), ensure_ascii=False)
    written = terse.encode("utf-8", "surrogatepass")
    return 8 + len(written) + data
