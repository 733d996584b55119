"""Tables that cost much though they are small: many columns, and what a card asks of readers."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as parquet
import pytest

from hubmerge.data.data_columns import DataColumns
from hubmerge.data.data_files import check_file
from hubmerge.data.dataset import open_data
from hubmerge.errors import DataError
from hubmerge.utils.limits import COLUMNS

pytestmark = pytest.mark.usefixtures("own_cache")
WIDE = [f"c{n}" for n in range(COLUMNS + 1)]


def as_csv(path: Path) -> None:
    path.write_text(",".join(WIDE) + "\n")


def as_ragged_csv(path: Path) -> None:
    path.write_text("\n\ntext\n" + ",".join(WIDE) + "\n")


def as_csv_behind_a_quote(path: Path) -> None:
    path.write_text('"te\nxt",' + ",".join(WIDE) + "\n")


def as_parquet(path: Path) -> None:
    parquet.write_table(pa.table({name: [1] for name in WIDE}), path)


def as_arrow(path: Path) -> None:
    rows = pa.table({name: [1] for name in WIDE})
    with pa.ipc.new_stream(str(path), rows.schema) as writer:
        writer.write_table(rows)


def as_json(path: Path) -> None:
    path.write_text(json.dumps(dict.fromkeys(WIDE, 1)))


def as_json_of_other_rows(path: Path) -> None:
    path.write_text("\n".join(json.dumps({name: {"text": '"a":'}}) for name in WIDE[1:]))


@pytest.mark.parametrize(
    ("make", "builder"),
    [
        (as_csv, "csv"),
        (as_ragged_csv, "csv"),
        (as_csv_behind_a_quote, "csv"),
        (as_json, "json"),
        (as_json_of_other_rows, "json"),
        (as_parquet, "parquet"),
        (as_arrow, "arrow"),
    ],
)
def test_tables_of_very_many_columns_are_not_read(tmp_path: Path, make: Any, builder: str) -> None:
    path = tmp_path / f"test.{builder}"
    make(path)
    with pytest.raises(DataError, match=r"10,00\d columns, at most 10,000"):
        check_file(path, builder, "me/d", None)


@pytest.mark.parametrize(
    ("name", "header", "said"),
    [
        ("test.csv", "text;label", "divided by a semicolon"),
        ("test.csv", "text\tlabel", "divided by a tab"),
        ("test.csv", '"text"|"label"', "divided by a bar"),
        ("test.tsv", "text,label", "divided by a comma"),
    ],
)
def test_another_separator_is_no_part_of_a_name(
    tmp_path: Path, name: str, header: str, said: str
) -> None:
    (tmp_path / name).write_text(f"{header}\na;0\n")
    for place in (tmp_path, tmp_path / name):
        with pytest.raises(DataError, match=said):
            open_data(place, ref="me/d", columns=DataColumns(inputs=["text"], answers=None))


def test_names_within_texts_are_no_columns(tmp_path: Path) -> None:
    text = json.dumps(dict.fromkeys(WIDE, 1))
    (tmp_path / "test.jsonl").write_text(json.dumps({"text": text, "more": "\\"}) + "\n")
    check_file(tmp_path / "test.jsonl", "json", "me/d", None)


def test_one_column_of_prose_is_read(tmp_path: Path) -> None:
    (tmp_path / "test.csv").write_text("text: one; or another\n" + "a; b\n" * 5)
    data = open_data(tmp_path, ref="me/d", columns=DataColumns(inputs=["text"], answers=None))
    assert data.splits["test"][0] == {"text: one; or another": "a; b"}


@pytest.mark.parametrize(
    "field",
    [
        {"sep": "(a+)+$"},
        {"delimiter": "ab"},
        {"sep": 7},
        {"encoding": "punycode"},
        {"encoding": "idna"},
        {"encoding": "no-such"},
        {"encoding": ["utf-8"]},
        {"chunksize": 1},
        {"engine": "python"},
        {"batch_size": 1},
    ],
    ids=str,
)
def test_a_card_does_not_choose_how_files_are_read(tmp_path: Path, field: dict[str, Any]) -> None:
    (tmp_path / "test.csv").write_text("text\na\n")
    configs = [{"config_name": "default", "data_files": "test.csv", **field}]
    (tmp_path / "README.md").write_text(f"---\n{json.dumps({'configs': configs})}\n---\n")
    with pytest.raises(DataError, match=f"its card sets '{next(iter(field))}'"):
        open_data(tmp_path, ref="me/d", columns=DataColumns(inputs=["text"], answers=None))


def test_a_card_may_say_what_divides_columns(tmp_path: Path) -> None:
    (tmp_path / "test.csv").write_text("text;label\na;0\nb;1\n", encoding="latin-1")
    field = {"data_files": "test.csv", "sep": ";", "encoding": "latin-1"}
    configs = [{"config_name": "default", **field}]
    (tmp_path / "README.md").write_text(f"---\n{json.dumps({'configs': configs})}\n---\n")
    data = open_data(tmp_path, ref="me/d", columns=DataColumns(inputs=["text"]))
    assert next(iter(data.splits.values()))[1] == {"text": "b", "label": 1}
