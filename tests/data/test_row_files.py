"""A single file of rows is a data set: read as it is called, known by its content."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from datasets import Dataset

from hubmerge.data.column_types import CLASSES
from hubmerge.data.data_columns import DataColumns
from hubmerge.data.dataset import open_data
from hubmerge.data.rows import choose_rows
from hubmerge.errors import DataError, HubmergeError, NotFoundError
from hubmerge.hub.known_folders import remember_folder
from hubmerge.hub.source import resolve

ROWS = [{"text": f"number {n}", "label": ("odd", "even")[n % 2]} for n in range(20)]


def written(place: Path) -> Path:
    """The rows as the ending of the name says."""
    match place.suffix:
        case ".jsonl":
            place.write_text("".join(json.dumps(row) + "\n" for row in ROWS))
        case ".json":
            place.write_text(json.dumps(ROWS))
        case ".parquet":
            Dataset.from_list(ROWS).to_parquet(place)
        case ".txt":
            place.write_text("".join(row["text"] + "\n" for row in ROWS))
        case ending:
            mark = "\t" if ending == ".tsv" else ","
            lines = ["text" + mark + "label", *(f"{r['text']}{mark}{r['label']}" for r in ROWS)]
            place.write_text("\n".join(lines) + "\n")
    return place


@pytest.mark.parametrize(
    "name", ["a.jsonl", "a.json", "a.csv", "a.tsv", "a.parquet", "a.txt", "odd [1]*.jsonl"]
)
def test_a_file_is_read_as_it_is_called(name, tmp_path):
    labels = not name.endswith("txt")
    data = open_data(
        written(tmp_path / name),
        ref=name,
        columns=DataColumns(inputs=["text"], answers=CLASSES if labels else None),
    )
    rows = data.splits[data.split]
    assert rows["text"][:] == [row["text"] for row in ROWS]
    assert data.label_column == ("label" if labels else None)
    assert sum(len(getattr(choose_rows(data), part)) for part in ("evaluation", "validation")) > 0


def test_it_is_known_by_its_content_and_found_again(tmp_path):
    place = written(tmp_path / "rows.jsonl")
    source = resolve(str(place), "dataset")
    assert (source.id, source.kind, source.folder) == ("rows.jsonl", "local", place)
    remember_folder(source.sha, place)
    again = resolve(f"rows.jsonl@{source.sha}", "dataset")
    assert again.folder == place
    place.write_text(place.read_text() + json.dumps(ROWS[0]) + "\n")
    assert resolve(str(place), "dataset").sha != source.sha
    with pytest.raises(NotFoundError, match=r"the file 'rows.jsonl' has changed"):
        resolve(f"rows.jsonl@{source.sha}", "dataset")


def test_what_is_no_file_of_rows_is_refused(tmp_path):
    (tmp_path / "rows.xlsx").write_text("x")
    with pytest.raises(NotFoundError, match=r"is a file(.|\n)*\.jsonl"):
        resolve(str(tmp_path / "rows.xlsx"), "dataset")
    with pytest.raises(NotFoundError, match="is a file"):
        resolve(str(written(tmp_path / "model.csv")))
    (tmp_path / "bad.jsonl").write_text("{not json\n")
    with pytest.raises(DataError, match="cannot be opened"):
        open_data(tmp_path / "bad.jsonl", ref="bad.jsonl")
    (tmp_path / "pointer.csv").write_text(
        "version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n"
    )
    with pytest.raises(DataError, match="git-lfs"):
        open_data(tmp_path / "pointer.csv", ref="pointer.csv")
    with pytest.raises(HubmergeError, match="no configuration"):
        open_data(
            written(tmp_path / "a.csv"),
            ref="a.csv",
            config="x",
            columns=DataColumns(inputs=["text"]),
        )
