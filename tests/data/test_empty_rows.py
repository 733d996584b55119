"""Rows that say nothing: a few are left out and counted, more are refused."""

from __future__ import annotations

from typing import Any

import pytest
from datasets import ClassLabel, Dataset, Features, Image, List, Value
from PIL import Image as Pillow

from hubmerge.data.dataset import open_data
from hubmerge.data.rows import choose_rows, hash_order
from hubmerge.errors import DataError

FEATURES = Features({"x": List(Value("float32")), "label": ClassLabel(names=["cat", "dog"])})
GAPS: dict[str, dict[str, Any]] = {
    "no numbers": {"x": None, "label": 0},
    "an empty list": {"x": [], "label": 0},
    "no label": {"x": [1.0], "label": None},
    "a secret label": {"x": [1.0], "label": -1},
}


def opened(tmp_path: Any, rows: list[dict[str, Any]], features: Features = FEATURES) -> Any:
    Dataset.from_list(rows, features=features).save_to_disk(str(tmp_path / "data"))
    return open_data(tmp_path / "data", ref="me/data")


@pytest.mark.parametrize("gap", GAPS)
def test_one_in_a_hundred_is_left_out_and_said(gap: str, tmp_path: Any) -> None:
    rows = [{"x": [1.0], "label": n % 2} for n in range(200)]
    rows[17] = rows[130] = GAPS[gap]
    data = opened(tmp_path, rows)
    assert data.notes == ('2 rows of split "train" have no numbers or label and were left out',)
    found = choose_rows(data, samples="all")
    sets = (found.calibration, found.validation, found.evaluation)
    chosen = {row for each in sets for row in each.indices}
    assert chosen == {*range(200)} - {17, 130}


@pytest.mark.parametrize("gap", GAPS)
def test_more_are_refused(gap: str, tmp_path: Any) -> None:
    rows = [{"x": [1.0], "label": n % 2} for n in range(200)]
    rows[3] = rows[4] = rows[5] = GAPS[gap]
    with pytest.raises(DataError, match=r"3 of 200 rows(.|\n)*rows 3, 4, 5"):
        opened(tmp_path, rows)


def test_without_gaps_the_order_is_that_of_the_hash(tmp_path: Any) -> None:
    data = opened(tmp_path, [{"x": [1.0], "label": n % 2} for n in range(50)])
    assert data.left_out == {}
    assert choose_rows(data).calibration.indices == hash_order(50)[:20]


def test_pictures_that_are_missing(tmp_path: Any) -> None:
    features = Features({"image": Image(), "label": Value("string")})
    rows = [{"image": Pillow.new("L", (2, 2)), "label": "cat"} for _ in range(100)]
    rows[7]["image"] = None
    data = opened(tmp_path, rows, features)
    assert data.left_out == {"train": frozenset({7})}
    assert data.notes == ('1 row of split "train" has no image or label and was left out',)
