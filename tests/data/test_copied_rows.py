"""Copies of a row are no evidence of their own."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from datasets import Dataset, Features, Image, Value

from hubmerge.data.copied_rows import without_copies
from hubmerge.data.data_columns import DataColumns
from hubmerge.data.dataset import DataSet, open_data
from hubmerge.data.rows import RowSet

LEAST = 30


def opened(folder: Path, rows: Dataset, **columns: str) -> DataSet:
    rows.to_parquet(folder / "test.parquet")
    return open_data(folder, ref="d", columns=DataColumns(**columns))


def numbers(different: int, count: int = 90) -> Dataset:
    rows = [[float(number % different), 1.0] for number in range(count)]
    return Dataset.from_dict({"features": rows, "label": [n % 2 for n in range(count)]})


@pytest.mark.parametrize(
    ("different", "left", "said"), [(90, 90, False), (30, 90, False), (29, 29, True), (1, 1, True)]
)
def test_too_few_that_differ_are_measured_once_each(
    tmp_path: Path, different: int, left: int, said: bool
) -> None:
    """The first of each, in the order they had; a row with another label is a copy too."""
    data = opened(tmp_path, numbers(different))
    rows = RowSet("test", tuple(reversed(range(90))), 90)
    found, note = without_copies(data, rows, LEAST)
    assert len(found) == left
    assert found.indices == rows.indices[:left]
    assert found.available == 90
    assert (note is not None) == said
    if note:
        assert note.startswith(f'of 90 rows of split "test" no more than {different} differ')


def test_few_rows_are_left_as_they_are(tmp_path: Path) -> None:
    data = opened(tmp_path, numbers(1, 29))
    rows = RowSet("test", tuple(range(29)), 29)
    assert without_copies(data, rows, LEAST) == (rows, None)


def test_pictures_are_compared_by_their_bytes(tmp_path: Path) -> None:
    pictures = [np.full((4, 4, 3), number % 2, np.uint8) for number in range(40)]
    kinds = Features(image=Image(), label=Value("int64"))
    rows = Dataset.from_dict({"image": pictures, "label": [0] * 40}, features=kinds)
    data = opened(tmp_path, rows)
    assert len(without_copies(data, RowSet("test", tuple(range(40)), 40), LEAST)[0]) == 2
