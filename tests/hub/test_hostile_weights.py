"""Weights of strangers: headers, indices and files that are none, and enormous numbers.

Each is one of hubmerge's errors, before it costs anything. In this process and on folders, so that
many can be tried; `tests/cli` tries some as commands.
"""

from __future__ import annotations

import json
import shutil
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from hubmerge.errors import (
    WeightsError,
)
from hubmerge.hub.headers import weights_header
from hubmerge.hub.load import load
from hubmerge.hub.source import Source, resolve
from hubmerge.localhub import EmbeddedHub
from hubmerge.planning.quick import quick_plan
from hubmerge.recipe import Recipe
from tests.helpers.hostile import refused
from tests.helpers.small_models import push

Header = dict[str, Any]


def changed(field: str, value: Any) -> Callable[[Header], bytes]:
    """The first tensor's entry with another value."""

    def change(header: Header) -> bytes:
        header[next(name for name in header if name != "__metadata__")][field] = value
        return json.dumps(header).encode()

    return change


def overlapping(header: Header) -> bytes:
    one, two, *_ = (name for name in header if name != "__metadata__")
    header[one]["data_offsets"] = header[two]["data_offsets"]
    return json.dumps(header).encode()


def lacking(field: str) -> Callable[[Header], bytes]:
    def change(header: Header) -> bytes:
        del header[next(name for name in header if name != "__metadata__")][field]
        return json.dumps(header).encode()

    return change


def said(**fields: Any) -> Callable[[Header], bytes]:
    return lambda header: json.dumps({**header, **fields}).encode()


HEADERS: dict[str, Callable[[Header], bytes]] = {
    "dtype a list": changed("dtype", ["F32"]),
    "dtype a number": changed("dtype", 7),
    "dtype null": changed("dtype", None),
    "dtype unknown": changed("dtype", "F33"),
    "dtype of another size": changed("dtype", "F64"),
    "shape text": changed("shape", "ab"),
    "shape negative": changed("shape", [-3]),
    "shape fractions": changed("shape", [1.5]),
    "shape beyond 64 bits": changed("shape", [2**65]),
    "shape that overflows": changed("shape", [2**32, 2**32, 2**32]),
    "shape null": changed("shape", None),
    "shape of lists": changed("shape", [[3]]),
    "no offsets": changed("data_offsets", []),
    "one offset": changed("data_offsets", [0]),
    "three offsets": changed("data_offsets", [0, 1, 2]),
    "offsets backwards": changed("data_offsets", [12, 0]),
    "offsets negative": changed("data_offsets", [-12, 0]),
    "offsets text": changed("data_offsets", ["0", "12"]),
    "offsets far away": changed("data_offsets", [2**60, 2**60 + 12]),
    "overlapping offsets": overlapping,
    "no dtype": lacking("dtype"),
    "no shape": lacking("shape"),
    "no data_offsets": lacking("data_offsets"),
    "an entry a list": said(x=[]),
    "an entry a number": said(x=7),
    "an entry null": said(x=None),
    "metadata a number": said(__metadata__={"format": 7}),
    "metadata a list": said(__metadata__=["pt"]),
    "metadata nested": said(__metadata__={"format": {"a": "b"}}),
    "100,000 levels": lambda header: b'{"a":' + b"[" * 100_000 + b"]" * 100_000 + b"}",
    "a number of 6,000 digits": lambda header: b'{"a":' + b"9" * 6000 + b"}",
    "no JSON": lambda header: b"x" * 40,
    "empty": lambda header: b"",
    "a list": lambda header: b"[]",
    "no UTF-8": lambda header: b'{"\xff\xfe": {}}',
    "lone surrogate": lambda header: rb'{"\ud800": 1}',
    "cut off": lambda header: json.dumps(header).encode()[:-9],
    "twice": lambda header: json.dumps(header).encode() * 2,
}


def spoil(folder: Path, change: Callable[[Header], bytes]) -> None:
    path = folder / "model.safetensors"
    raw = path.read_bytes()
    length = struct.unpack("<Q", raw[:8])[0]
    head = change(json.loads(raw[8 : 8 + length]))
    path.write_bytes(struct.pack("<Q", len(head)) + head + raw[8 + length :])


@pytest.mark.parametrize("kind", HEADERS)
def test_damaged_headers(model: Path, kind: str) -> None:
    spoil(model, HEADERS[kind])
    source = resolve(str(model))
    refused(lambda: weights_header(source), WeightsError)
    refused(lambda: load(str(model)), WeightsError)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\x00" * 7,
        b"\xff" * 8,
        struct.pack("<Q", 1_500_000_000),
        struct.pack("<Q", 2**63) + b"{}",
        struct.pack("<Q", 2) + b"{}",
        b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 3\n",
        b"PK\x03\x04" + bytes(100),
    ],
    ids=range(8),
)
def test_files_that_are_no_weights(model: Path, content: bytes) -> None:
    (model / "model.safetensors").write_bytes(content)
    refused(lambda: weights_header(resolve(str(model))), WeightsError)
    refused(lambda: quick_plan(Recipe(models=(str(model), str(model)))), WeightsError)


def test_a_header_of_more_than_100_mb_is_not_read(model: Path) -> None:
    with (model / "model.safetensors").open("wb") as file:
        file.write(struct.pack("<Q", 1_500_000_000))
        file.truncate(1_600_000_000)  # takes no room on the disk
    source = Source(str(model), "model", "local", None, model)
    error = refused(lambda: weights_header(source), WeightsError)
    assert "1,500,000,000 bytes" in str(error)


def test_damaged_headers_on_the_hub(vit: Path, tmp_path: Path, hub: EmbeddedHub) -> None:
    for number, kind in enumerate(HEADERS):
        folder = Path(shutil.copytree(vit, tmp_path / str(number)))
        spoil(folder, HEADERS[kind])
        api = hub.api()
        if number == 0:
            push(hub, "hostile/headers", folder)
        else:
            api.upload_file(
                repo_id="hostile/headers",
                path_or_fileobj=folder / "model.safetensors",
                path_in_repo="model.safetensors",
            )
        source = resolve("hostile/headers")
        refused(lambda source=source: weights_header(source), WeightsError)


INDICES: dict[str, bytes] = {
    "no JSON": b"x",
    "no UTF-8": b'{"weight_map": {"a": "\xff"}}',
    "deep": b'{"weight_map":' + b"[" * 3000 + b"]" * 3000 + b"}",
    "digits": b'{"weight_map": ' + b"9" * 6000 + b"}",
    "no map": b"{}",
    "a list": b'{"weight_map": ["a"]}',
    "a number": b'{"weight_map": {"a": 7}}',
    "nested": b'{"weight_map": {"a": {"b": "c"}}}',
    "above": b'{"weight_map": {"a": "../model.safetensors"}}',
    "absolute": b'{"weight_map": {"a": "/etc/passwd"}}',
    "below": b'{"weight_map": {"a": "x/model.safetensors"}}',
    "backslash": b'{"weight_map": {"a": "..\\\\model.safetensors"}}',
    "escape": b'{"weight_map": {"a": "\\u001b[2J.safetensors"}}',
    "surrogate": b'{"weight_map": {"a": "\\ud800.safetensors"}}',
    "pickle": b'{"weight_map": {"a": "x.bin"}}',
    "none there": b'{"weight_map": {"a": "x.safetensors"}}',
}


@pytest.mark.parametrize("kind", INDICES)
def test_indices_that_name_no_shards_beside_them(model: Path, kind: str) -> None:
    (model / "model.safetensors").unlink()
    (model / "model.safetensors.index.json").write_bytes(INDICES[kind])
    error = refused(lambda: resolve(str(model)), WeightsError)
    assert all(mark.isprintable() or mark == "\n" for mark in str(error))


@pytest.mark.parametrize("size", [1e12, 1e25, -3e38])
def test_weights_that_are_finite_but_enormous(model: Path, size: float) -> None:
    from safetensors.torch import load_file, save_file

    tensors = load_file(model / "model.safetensors")
    tensors["classifier.weight"][0, 0] = size
    save_file(tensors, model / "model.safetensors", {"format": "pt"})
    error = refused(lambda: load(str(model)), WeightsError)
    assert "classifier.weight" in str(error)
