"""Pictures in parquet that was not written by `datasets`: structs of bytes and path, or bytes."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from hubmerge.data.data_columns import DataColumns
from hubmerge.data.dataset import open_data
from hubmerge.data.pictures import open_picture
from hubmerge.data.pixels import to_mode
from hubmerge.errors import DataError


def png(shade: int) -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (2, 2), (shade, 0, 0)).save(file, "png")
    return file.getvalue()


CELLS: dict[str, Callable[[bytes], Any]] = {
    "bytes and no path": lambda content: {"bytes": content, "path": None},
    "bytes and a name": lambda content: {"bytes": content, "path": "one.png"},
    "bytes alone": lambda content: {"bytes": content},
    "not in a struct": lambda content: content,
}


@pytest.mark.parametrize("kind", CELLS)
@pytest.mark.parametrize("asked", [None, "picture"])
def test_pictures_are_found_and_read(kind: str, asked: str | None, tmp_path: Path) -> None:
    rows = [{"picture": CELLS[kind](png(n)), "label": "ab"[n % 2]} for n in range(4)]
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "test.parquet")
    data = open_data(tmp_path, ref="me/data", columns=DataColumns(image=asked))
    assert data.image_column == "picture"
    for number, row in enumerate(data.splits["test"]):
        pixels = np.asarray(to_mode(open_picture(row["picture"], data.place), "RGB"))
        assert pixels[0, 0].tolist() == [number, 0, 0]


def test_a_struct_of_something_else_is_no_picture(tmp_path: Path) -> None:
    rows = [{"picture": {"bytes": "text", "size": 3}, "label": "a"}]
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "test.parquet")
    with pytest.raises(DataError, match=r"picture: struct of bytes, size"):
        open_data(tmp_path, ref="me/data")
