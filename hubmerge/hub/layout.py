"""What a checkpoint consists of: which files make up a model, and what their headers promise.

Pure functions of file names and local files; nothing here knows the network.
"""

from __future__ import annotations

import json
import math
import struct
from collections.abc import Callable, Collection, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from safetensors import safe_open

from hubmerge.data.sentence_modules import module_files
from hubmerge.errors import HubmergeError, WeightsError
from hubmerge.hub.other_formats import conversion, other_format, refuse_pointer
from hubmerge.tasks import companion_files
from hubmerge.utils.foreign import refusing, system_error
from hubmerge.utils.limits import HEADER_BYTES, INDEX_BYTES
from hubmerge.utils.untrusted import Unreadable, open_regular, parse_json, read_json

CONFIG = "config.json"
GENERATION = "generation_config.json"
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

BITS = {**dict.fromkeys(("F64", "I64", "U64"), 64), **dict.fromkeys(("F32", "I32", "U32"), 32)}
BITS |= {**dict.fromkeys(("F16", "BF16", "I16", "U16"), 16), **dict.fromkeys(("BOOL", "U8"), 8)}
BITS |= {**dict.fromkeys(("I8", "F8_E4M3", "F8_E5M2", "F8_E8M0"), 8), "C64": 64, "F4": 4}
"""Dtypes of the format -> bits of an element."""

FLOATING = {"F64": 8, "F32": 4, "F16": 2, "BF16": 2}
"""Those for floating-point numbers -> bytes of an element."""


@dataclass(frozen=True)
class TensorHeader:
    """What a header says of one tensor. offset: of its first byte in the file."""

    dtype: str
    shape: tuple[int, ...]
    offset: int = field(default=0, compare=False)

    @property
    def numel(self) -> int:
        """Number of elements."""
        return math.prod(self.shape)


def weight_files(names: Collection[str], find: Callable[[str], Path | str], ref: str) -> list[str]:
    """The safetensors files transformers would load, with their index if there is one.

    names: all files of the repository. find: where one of them lies here, or its text.
    Raises: WeightsError, if there are none, only pickles, or a shard is missing.
    """
    if WEIGHTS in names:
        return [WEIGHTS]
    if INDEX in names:
        index = find(INDEX)
        if isinstance(index, Path):
            refuse_pointer(index)
        shards = sorted(set(_weight_map(index, ref).values()))
        if missing := [shard for shard in shards if shard not in names]:
            raise WeightsError(
                f"{ref} lacks {', '.join(missing)}",
                found=f"{INDEX} names {len(shards)} shards, {len(shards) - len(missing)} are there",
                hint="upload the missing shards, or save the model again in one piece",
            )
        return [INDEX, *shards]
    raise _no_weights(names, find, ref)


def model_files(
    names: Collection[str], find: Callable[[str], Path], ref: str, *, code: bool = False
) -> list[str]:
    """Sorted names of everything loading needs; python files only with `code`.

    Raises: as `weight_files`.
    """
    chosen = {CONFIG, *companion_files()}.intersection(names)
    chosen.update(name for name in names if name.startswith(f"{TEMPLATES}/"))
    chosen.update(module_files(names))
    chosen.update(weight_files(names, find, ref))
    if code:
        chosen.update(name for name in names if name.endswith(".py"))
    return sorted(chosen)


def read_header(path: Path) -> dict[str, TensorHeader]:
    """Names, dtypes and shapes in a safetensors file, which safetensors itself finds whole.

    Format: https://huggingface.co/docs/safetensors/index#format
    Raises: WeightsError, if the file is truncated, too long or no safetensors file; AccessError.
    """
    try:
        with open_regular(path) as file:
            size, prefix = path.stat().st_size, file.read(8)
            length = struct.unpack("<Q", prefix)[0] if len(prefix) == 8 else size
    except Unreadable as error:
        raise no_safetensors(path.name, str(path), str(error)) from error
    except OSError as error:
        raise system_error(error) or error from error
    refuse_pointer(path)
    if length > HEADER_BYTES:
        raise no_safetensors(path.name, str(path), f"a header of {length:,} bytes")
    if length > size - 8:
        raise truncated(path.name, str(path), f"{size} bytes, fewer than its header alone")
    with refusing(partial(_damaged, path, size, length)), safe_open(path, "np") as opened:
        opened.keys()  # safetensors has compared every entry with the file by now
    return {
        name: TensorHeader(at["dtype"], tuple(at["shape"]), 8 + length + at["data_offsets"][0])
        for name, at in _entries(path, length).items()
    }


def joined(headers: Iterable[Mapping[str, TensorHeader]], ref: str) -> dict[str, TensorHeader]:
    """The tensors of all files of a model. Raises: WeightsError, if one lies in two of them."""
    found: dict[str, TensorHeader] = {}
    for header in headers:
        if twice := sorted(found.keys() & header.keys()):
            raise WeightsError(
                f"{ref} holds a tensor in two of its files",
                found=", ".join(twice[:5]),
                hint="save the model again, so that it is clear which of them counts",
            )
        found |= header
    return found


def refuse_unstored(index: Path, tensors: Collection[str], ref: str) -> None:
    """Raises: WeightsError, if the index names a tensor that no file holds.

    In which of them a tensor lies is read from the files themselves, as transformers does.
    """
    named = _weight_map(index, ref)
    if missing := sorted(named.keys() - set(tensors)):
        raise WeightsError(
            f"{ref} lacks tensors that its {INDEX} names",
            found=f"{len(missing)} of {len(named)}: {', '.join(missing[:5])}",
            hint="upload the files that were saved together, or save the model again",
        )


def _entries(path: Path, length: int) -> dict[str, Any]:
    """What the header says of each tensor."""
    with open_regular(path) as file:
        header = json.loads(file.read(8 + length)[8:])
    header.pop("__metadata__", None)
    return header


def _damaged(path: Path, size: int, length: int, said: str) -> WeightsError:
    """The error for what safetensors does not read: a file of another length, or no such file."""
    with suppress(Exception):  # it is damaged, in whatever way
        places = [each["data_offsets"] for each in _entries(path, length).values()]
        promised = 8 + length + max((place[1] for place in places), default=0)
        if promised != size:
            return truncated(path.name, str(path), f"{size} bytes, its header promises {promised}")
    return no_safetensors(path.name, str(path), said)


def checked_header(
    tensors: Mapping[str, Any], name: str, source: str
) -> tuple[dict[str, TensorHeader], int]:
    """The tensors of a header that was read from afar, by the format's own rules; and their bytes.

    tensors: name -> what has `dtype`, `shape` and `data_offsets`.
    Raises: WeightsError, if they are no such things, overlap, or leave gaps.
    """
    found: dict[str, TensorHeader] = {}
    places: list[tuple[int, int]] = []
    for each, said in tensors.items():
        dtype, shape, place = said.dtype, said.shape, said.data_offsets
        if not (isinstance(dtype, str) and _counts(shape) and _counts(place) and len(place) == 2):
            raise no_safetensors(name, source, f"{each!r} is {dtype!r}, {shape!r} at {place!r}")
        header = TensorHeader(dtype, tuple(shape))
        if dtype in BITS and header.numel * BITS[dtype] != 8 * (place[1] - place[0]):
            raise no_safetensors(name, source, f"{each!r}: {dtype} {shape!r} is not at {place!r}")
        found[each] = header
        places.append((place[0], place[1]))
    end = 0
    for first, last in sorted(places):
        if first != end or last < first:
            raise no_safetensors(name, source, f"tensors overlap or leave gaps at byte {first:,}")
        end = last
    return found, end


def _counts(numbers: Any) -> bool:
    return isinstance(numbers, list | tuple) and all(
        isinstance(n, int) and not isinstance(n, bool) and 0 <= n < 2**63 for n in numbers
    )


def no_safetensors(name: str, source: str, found: str) -> WeightsError:
    """The error for a file that is none."""
    return WeightsError(f"{name} is no safetensors file", found=found, source=source)


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


def _weight_map(index: Path | str, ref: str) -> dict[str, str]:
    try:
        said = parse_json(index) if isinstance(index, str) else read_json(index, INDEX_BYTES)
        mapping = said["weight_map"]
        if not isinstance(mapping, dict):
            raise TypeError(f'"weight_map" is a {type(mapping).__name__}, not tensor: file')
        names = list(mapping.values())
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise WeightsError(f"{INDEX} of {ref} cannot be read", found=str(error)) from error
    if bad := [name for name in names if not _is_plain(name)]:
        raise WeightsError(f"{INDEX} of {ref} names a file outside of it", found=repr(bad[0]))
    return mapping


def _is_plain(name: object) -> bool:
    """Whether it names a file beside the index."""
    return (
        isinstance(name, str)
        and name.isprintable()
        and not {"/", "\\"} & set(name)
        and (".." not in name)
    )


def _no_weights(
    names: Collection[str], find: Callable[[str], Path | str], ref: str
) -> HubmergeError:
    if (error := other_format(names, find, ref)) is not None:
        return error
    if others := sorted(name for name in names if name.endswith(PICKLES)):
        return WeightsError(
            f"{ref} has no safetensors weights",
            found=", ".join(others[:5]) + ": pickled weights can run code, so they are not opened",
            hint="convert once, where you trust the file:\n"
            f"{conversion(find, names, ref)}\n"
            "or ask for it at https://huggingface.co/spaces/safetensors/convert",
        )
    if others := sorted(name for name in names if name.endswith(".safetensors")):
        return WeightsError(
            f"{ref} has no weights that transformers would load",
            found=f"neither {WEIGHTS} nor {INDEX}, but {', '.join(others[:5])}",
            hint=f"if these are the weights of its {CONFIG}, call them {WEIGHTS}",
        )
    return WeightsError(
        f"{ref} has no weights", found=f"neither {WEIGHTS} nor {INDEX} among {len(names)} files"
    )
