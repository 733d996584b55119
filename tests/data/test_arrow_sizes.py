"""Arrow files, as strangers write them: measured before they are unpacked, proven before they are
followed."""

from __future__ import annotations

import contextlib
import json
import os
import struct
from pathlib import Path

import pyarrow as pa
import pytest
from datasets import Dataset

from hubmerge.data import expansion
from hubmerge.data.arrow_sizes import arrow_sizes
from hubmerge.data.data_columns import DataColumns
from hubmerge.data.data_files import check_folder
from hubmerge.data.dataset import open_data
from hubmerge.errors import DataError
from hubmerge.utils import limits
from hubmerge.utils.untrusted import Unreadable

pytestmark = pytest.mark.usefixtures("own_cache")


def saved_as(folder: Path, name: str) -> None:
    """What `save_to_disk` writes beside a file of rows."""
    (folder / "state.json").write_text(json.dumps({"_data_files": [{"filename": name}]}))


LONG = pa.table({"text": ["x" * 20_000] * 50, "label": pa.array([0, 1] * 25)})
TWICE = pa.table(
    {"text": pa.DictionaryArray.from_arrays(pa.array([0] * 50, pa.int32()), ["x" * 20_000])}
)
NOTHING = pa.table({"text": pa.nulls(200_000)})


def arrow(path: Path, rows: pa.Table, *, footed: bool, packed: str | None) -> None:
    options = pa.ipc.IpcWriteOptions(compression=packed)
    make = pa.ipc.new_file if footed else pa.ipc.new_stream
    with make(str(path), rows.schema, options=options) as writer:
        writer.write_table(rows)


@pytest.mark.parametrize("footed", [True, False], ids=["file", "stream"])
@pytest.mark.parametrize("packed", ["zstd", "lz4", None])
def test_an_arrow_file_is_as_large_as_what_it_becomes(
    tmp_path: Path, footed: bool, packed: str | None
) -> None:
    path = tmp_path / "test.arrow"
    arrow(path, LONG, footed=footed, packed=packed)
    assert sum(arrow_sizes(path)) == pytest.approx(LONG.get_total_buffer_size(), rel=0.02)
    arrow(path, TWICE, footed=footed, packed=packed)
    assert sum(arrow_sizes(path)) == pytest.approx(50 * 20_000, rel=0.05)


@pytest.mark.parametrize("footed", [True, False], ids=["file", "stream"])
@pytest.mark.parametrize("rows", [LONG, TWICE, NOTHING], ids=["packed", "dictionary", "nothing"])
@pytest.mark.parametrize("saved", [True, False], ids=["save_to_disk", "folder"])
def test_small_arrow_files_that_become_large(
    tmp_path: Path, rows: pa.Table, footed: bool, saved: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    arrow(tmp_path / "test.arrow", rows, footed=footed, packed="zstd")
    if saved:
        saved_as(tmp_path, "test.arrow")
    monkeypatch.setattr(expansion, "EXPANSION_FREE", limits.MB // 2)
    monkeypatch.setattr("hubmerge.data.arrow_sizes.ROWS", 100_000)
    with pytest.raises(DataError, match=r"becomes more than 500,000|claims 200,000 values"):
        open_data(tmp_path, ref="me/d", columns=DataColumns(inputs=["text"], answers=None))


def test_a_block_that_is_listed_often_counts_as_often(tmp_path: Path) -> None:
    path = tmp_path / "test.arrow"
    with pa.ipc.new_file(str(path), LONG.schema) as writer:
        for rows in (1, 2, 30):
            writer.write_table(LONG.slice(0, rows))
    assert sum(arrow_sizes(path)) == pytest.approx(33 * 20_000, rel=0.02)
    content = path.read_bytes()
    offsets = [n for n in range(8, len(content), 8) if content[n : n + 4] == b"\xff" * 4]
    blocks = [content.rindex(struct.pack("<q", offset)) for offset in offsets[1:4]]
    large = content[blocks[2] : blocks[2] + 24]
    for place in blocks[:2]:
        content = content[:place] + large + content[place + 24 :]
    path.write_bytes(content)
    with pa.ipc.open_file(str(path)) as opened:
        assert opened.read_all().num_rows == 90
    assert sum(arrow_sizes(path)) == pytest.approx(90 * 20_000, rel=0.02)


def test_places_in_an_arrow_file_are_proven(tmp_path: Path) -> None:
    """Readers follow them without a look, to wherever in memory they lead."""
    path = tmp_path / "test.arrow"
    arrow(path, pa.table({"text": ["a" * 9, "b" * 7]}), footed=False, packed=None)
    content = path.read_bytes()
    honest = struct.pack("<3i", 0, 9, 16)
    assert content.count(honest) == 1
    for far in (2**31 - 1, -(2**31), 17):
        path.write_bytes(content.replace(honest, struct.pack("<3i", 0, far, 16)))
        with pytest.raises(Unreadable, match="cannot be read"):
            sum(arrow_sizes(path))
        saved_as(tmp_path, "test.arrow")
        with pytest.raises(DataError, match="cannot be opened"):
            open_data(tmp_path, ref="me/d", columns=DataColumns(inputs=["text"], answers=None))


def test_damaged_arrow_files_are_refused_in_words(tmp_path: Path) -> None:
    path = tmp_path / "test.arrow"
    for footed in (True, False):
        arrow(path, LONG.slice(0, 3), footed=footed, packed="zstd")
        content = path.read_bytes()
        for place in range(0, len(content), 7):
            path.write_bytes(content[:place] + bytes([content[place] ^ 255]) + content[place + 1 :])
            with contextlib.suppress(Unreadable):
                sum(arrow_sizes(path))


def test_rows_that_were_saved_as_tensors_are_read_as_values(tmp_path: Path) -> None:
    rows = Dataset.from_dict({"text": ["a", "b"] * 4, "label": [0, 1] * 4}).with_format("torch")
    rows.save_to_disk(tmp_path / "d")
    data = open_data(tmp_path / "d", ref="me/d", columns=DataColumns(inputs=["text"]))
    assert data.splits[data.split][1] == {"text": "b", "label": 1}
    assert type(data.splits[data.split][1]["label"]) is int


@pytest.mark.parametrize("name", ["test.csv", "test.parquet", "test.arrow"])
def test_a_pipe_is_no_file_of_rows(tmp_path: Path, name: str) -> None:
    os.mkfifo(tmp_path / name)
    saved_as(tmp_path, name)
    with pytest.raises(DataError, match="neither a file nor a folder"):
        check_folder(tmp_path, "me/d", None)
