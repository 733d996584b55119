"""Names, shapes and dtypes of a model's tensors, without downloading its weights."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from huggingface_hub.errors import SafetensorsParsingError
from huggingface_hub.utils import SafetensorsFileMetadata

from hubmerge.errors import WeightsError
from hubmerge.hub.client import ask, client
from hubmerge.hub.fetch import fetch_file, fetched_apart, file_sizes
from hubmerge.hub.layout import (
    FLOATING,
    TensorHeader,
    read_header,
    stored_dtype,
    truncated,
    weight_files,
)
from hubmerge.hub.other_formats import pointer
from hubmerge.hub.source import Source
from hubmerge.utils.lfs import POINTER_BYTES, is_pointer


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
    sizes = file_sizes(source)
    names = weight_files(sizes, lambda name: fetch_file(source, name).read_text(), source.ref)
    files = [name for name in names if name.endswith(".safetensors")]
    tensors: dict[str, TensorHeader] = {}
    for name in files:
        tensors |= _header(source, name, sizes[name])
    total = sum(sizes[name] for name in files)
    return WeightsHeader(tensors, total, stored_dtype(tensors, source.ref))


def _header(source: Source, name: str, size: int) -> dict[str, TensorHeader]:
    if source.folder is not None:
        return read_header(source.folder / name)

    def look() -> dict[str, TensorHeader]:
        try:
            found = client().parse_safetensors_file_metadata(source.id, name, revision=source.sha)
        except SafetensorsParsingError as error:
            if size <= POINTER_BYTES and is_pointer(fetched_apart(source, name)):
                raise pointer(name, source.ref) from error
            raise WeightsError(
                f"{name} is no safetensors file", found=str(error), source=source.ref
            ) from error
        promised = _least_bytes(found)
        if size < promised:
            raise truncated(name, source.ref, f"{size} bytes, its header promises {promised}")
        return {k: TensorHeader(t.dtype, tuple(t.shape)) for k, t in found.tensors.items()}

    return ask(look, source.ref)


def _least_bytes(header: SafetensorsFileMetadata) -> int:
    """The size a file with this header has at the least, its header written as tersely as can be.

    Format: https://huggingface.co/docs/safetensors/index#format
    """
    entries: dict[str, Any] = {
        name: {"dtype": t.dtype, "shape": t.shape, "data_offsets": t.data_offsets}
        for name, t in header.tensors.items()
    }
    if header.metadata:
        entries["__metadata__"] = header.metadata
    terse = json.dumps(entries, separators=(",", ":"), ensure_ascii=False).encode()
    data = max((t.data_offsets[1] for t in header.tensors.values()), default=0)
    return 8 + len(terse) + data
