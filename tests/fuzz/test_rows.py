"""Rows of data sets, as strangers write them."""

from __future__ import annotations

import io
import json
import shutil
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from hypothesis import strategies as st
from PIL import Image

from hubmerge.data.dataset import open_data
from hubmerge.data.rows import choose_rows
from tests.helpers.digits_fixtures import own_cache
from tests.helpers.fuzzing import AMOUNTS, MANY_ONLY, STRANGE, texts, try_out, values

__all__ = ["own_cache"]
READ = 4
"""Rows of an example that are read."""


def picture(size: tuple[int, int] = (4, 4), mode: str = "RGB", kind: str = "PNG") -> bytes:
    into = io.BytesIO()
    Image.new(mode, size).save(into, kind)
    return into.getvalue()


WHOLE = [picture(), picture(kind="GIF"), picture(mode="I;16"), picture(kind="TIFF")]
broken = st.sampled_from(WHOLE).flatmap(
    lambda whole: st.tuples(st.integers(0, len(whole)), st.binary(max_size=20)).map(
        lambda cut: whole[: cut[0]] + cut[1] + whole[cut[0] + len(cut[1]) :]
    )
)
images = st.fixed_dictionaries(
    {
        "bytes": st.none() | broken | st.binary(max_size=30),
        "path": st.none() | st.sampled_from([each for each in STRANGE if each != "\ud800"]),
    }
)


def read(folder: Path) -> None:
    """What a measurement reads of a data set in `folder`."""
    data = open_data(folder, ref="o/d")
    choose_rows(data)
    rows = data.splits[data.split]
    for number in range(min(READ, len(rows))):
        rows[number]


@AMOUNTS
def test_pictures(tmp_path: Path, amount: int) -> None:
    place = tmp_path / "data"

    def check(found: list[dict]) -> None:
        place.mkdir(exist_ok=True)
        feature = {"image": {"_type": "Image"}, "label": {"dtype": "int64", "_type": "Value"}}
        known = {b"huggingface": json.dumps({"info": {"features": feature}}).encode()}
        table = pa.table({"image": found, "label": [0, 1] * 2}).replace_schema_metadata(known)
        pq.write_table(table, place / "test.parquet")
        read(place)

    try_out(check, st.lists(images, min_size=4, max_size=4), amount)


@MANY_ONLY
def test_lines(tmp_path: Path, amount: int) -> None:
    place = tmp_path / "data"

    def check(lines: list[Any]) -> None:
        shutil.rmtree(place, ignore_errors=True)
        place.mkdir()
        (place / "test.jsonl").write_text("\n".join(map(json.dumps, lines)))
        read(place)

    row = st.fixed_dictionaries({}, optional={"text": texts | values, "label": values})
    try_out(check, st.lists(row | values, max_size=5), amount)


@MANY_ONLY
def test_bytes_for_tables(tmp_path: Path, amount: int) -> None:
    place = tmp_path / "data"
    place.mkdir()
    pq.write_table(
        pa.table({"text": ["a", "b"] * 20, "label": [0, 1] * 20}), place / "test.parquet"
    )
    whole = (place / "test.parquet").read_bytes()
    where = st.integers(0, len(whole))

    def check(example: tuple[int, bytes, int]) -> None:
        start, inserted, end = example
        (place / "test.parquet").write_bytes(whole[:start] + inserted + whole[end:])
        read(place)

    try_out(check, st.tuples(where, st.binary(max_size=40), where), amount)
