"""What a checkpoint consists of: which files make up a model, and what their headers promise.

Pure functions of file names and local files; nothing here knows the network.
"""

from __future__ import annotations

import json
import math
import struct
from collections.abc import Callable, Collection
from dataclasses import dataclass
from pathlib import Path

from hubmerge.errors import HubmergeError, WeightsError
from hubmerge.hub.other_formats import conversion, other_format, pointer, refuse_pointer
from hubmerge.tasks import companion_files
from hubmerge.utils.lfs import is_pointer

CONFIG = "config.json"
PROCESSOR = "preprocessor_config.json"
WEIGHTS = "model.safetensors"
INDEX = "model.safetensors.index.json"
TEMPLATES = "additional_chat_templates"
"""The folder of chat templates beside the one that is used by default."""

PICKLES = (".bin", ".pt", ".pth", ".ckpt", ".pkl", ".h5", ".msgpack")
"""Endings of weights in formats that are not safetensors; the first five can run code."""

DTYPES = {
    "F64": "float64",
    "F32": "float32",
    "F16": "float16",
    "BF16": "bfloat16",
    "I64": "int64",
    "I32": "int32",
    "I16": "int16",
    "I8": "int8",
    "U8": "uint8",
    "BOOL": "bool",
}
"""Dtypes in a safetensors header that a model here may be stored in -> their names in torch."""

FLOATING = {"F64": 8, "F32": 4, "F16": 2, "BF16": 2}
"""Those for floating-point numbers -> bytes of an element."""


@dataclass(frozen=True)
class TensorHeader:
    """What a header says of one tensor. offset: of its first byte in the file."""

    dtype: str
    shape: tuple[int, ...]
    offset: int = 0

    @property
    def numel(self) -> int:
        """Number of elements."""
        return math.prod(self.shape)


def weight_files(names: Collection[str], read: Callable[[str], str], ref: str) -> list[str]:
    """The safetensors files transformers would load, with their index if there is one.

    names: all files of the repository. read: the text of one of them.
    Raises: WeightsError, if there are none, only pickles, or a shard is missing.
    """
    if WEIGHTS in names:
        return [WEIGHTS]
    if INDEX in names and is_pointer(read(INDEX).encode()):
        raise pointer(INDEX, ref)
    if INDEX in names:
        shards = sorted(set(_weight_map(read(INDEX), ref).values()))
        if missing := [shard for shard in shards if shard not in names]:
            raise WeightsError(
                f"{ref} lacks {', '.join(missing)}",
                found=f"{INDEX} names {len(shards)} shards, {len(shards) - len(missing)} are there",
                hint="upload the missing shards, or save the model again in one piece",
            )
        return [INDEX, *shards]
    raise _no_weights(names, read, ref)


def model_files(
    names: Collection[str], read: Callable[[str], str], ref: str, *, code: bool = False
) -> list[str]:
    """Sorted names of everything loading needs; python files only with `code`.

    Raises: as `weight_files`.
    """
    chosen = {CONFIG, *companion_files()}.intersection(names)
    chosen.update(name for name in names if name.startswith(f"{TEMPLATES}/"))
    chosen.update(weight_files(names, read, ref))
    if code:
        chosen.update(name for name in names if name.endswith(".py"))
    return sorted(chosen)


def read_header(path: Path) -> dict[str, TensorHeader]:
    """Names, dtypes and shapes in a safetensors file, which must be as long as it says.

    Format: https://huggingface.co/docs/safetensors/index#format
    Raises: WeightsError, if the file is truncated, too long or no safetensors file.
    """
    size = path.stat().st_size
    with path.open("rb") as file:
        refuse_pointer(path)
        prefix = file.read(8)
        length = struct.unpack("<Q", prefix)[0] if len(prefix) == 8 else size
        if length > size - 8:
            raise truncated(path.name, str(path), f"{size} bytes, fewer than its header alone")
        try:
            entries = json.loads(file.read(length))
            entries.pop("__metadata__", None)
            promised = 8 + length + max((e["data_offsets"][1] for e in entries.values()), default=0)
            header = {
                name: TensorHeader(
                    entry["dtype"], tuple(entry["shape"]), 8 + length + entry["data_offsets"][0]
                )
                for name, entry in entries.items()
            }
        except (ValueError, AttributeError, KeyError, TypeError) as error:
            raise WeightsError(
                f"{path.name} is no safetensors file", found=str(error), source=str(path)
            ) from error
    if promised != size:
        raise truncated(path.name, str(path), f"{size} bytes, its header promises {promised}")
    return header


def truncated(name: str, source: str, found: str) -> WeightsError:
    """The error for a file that is not as long as it says."""
    return WeightsError(
        f"{name} is truncated or damaged",
        found=found,
        source=source,
        hint="download or upload it again",
    )


def stored_dtype(header: dict[str, TensorHeader], ref: str) -> str:
    """torch's name of the floating dtype most weights have (norms are often wider): "float16".

    Raises: WeightsError, if there is no floating tensor, or a quantised or unknown dtype.
    """
    if unknown := sorted({t.dtype for t in header.values()} - DTYPES.keys()):
        raise WeightsError(
            f"{ref} stores weights as {', '.join(unknown)}",
            hint="merge the unquantised model; " + ", ".join(DTYPES) + " can be read",
        )
    elements: dict[str, int] = {}
    for tensor in header.values():
        if tensor.dtype in FLOATING:
            elements[tensor.dtype] = elements.get(tensor.dtype, 0) + tensor.numel
    if not elements:
        raise WeightsError(f"{ref} has no floating-point weights")
    return DTYPES[max(elements, key=lambda dtype: (elements[dtype], FLOATING[dtype]))]


def _weight_map(text: str, ref: str) -> dict[str, str]:
    try:
        mapping = json.loads(text)["weight_map"]
        names = list(mapping.values())
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise WeightsError(f"{INDEX} of {ref} cannot be read", found=str(error)) from error
    if bad := [name for name in names if not isinstance(name, str) or "/" in name or ".." in name]:
        raise WeightsError(f"{INDEX} of {ref} names a file outside of it", found=repr(bad[0]))
    return mapping


def _no_weights(names: Collection[str], read: Callable[[str], str], ref: str) -> HubmergeError:
    if (error := other_format(names, read, ref)) is not None:
        return error
    if others := sorted(name for name in names if name.endswith(PICKLES)):
        return WeightsError(
            f"{ref} has no safetensors weights",
            found=", ".join(others[:5]) + ": pickled weights can run code, so they are not opened",
            hint="convert once, where you trust the file:\n"
            f"{conversion(read, names, ref)}\n"
            "or ask for it at https://huggingface.co/spaces/safetensors/convert",
        )
    return WeightsError(
        f"{ref} has no weights", found=f"neither {WEIGHTS} nor {INDEX} among {len(names)} files"
    )
