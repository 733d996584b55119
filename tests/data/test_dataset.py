from __future__ import annotations

import re

import pytest
from datasets import ClassLabel, Dataset, DatasetDict, Value
from PIL import Image as Pillow

from hubmerge.data.data_columns import DataColumns
from hubmerge.data.dataset import open_data
from hubmerge.errors import DataError


def test_splits_and_columns_are_found(write):
    data = open_data(write({"train": 30, "validation": 20, "test": 10}), ref="me/digits")
    assert (data.split, data.calibration_split, data.validation_split) == (
        "test",
        "train",
        "validation",
    )
    assert (data.image_column, data.feature_column, data.label_column) == ("image", None, "label")
    assert data.config == "default"
    assert len(data.splits["test"]) == 10


@pytest.mark.parametrize(
    ("splits", "found"),
    [
        ({"train": 5, "validation": 5}, ("validation", "train", None)),
        ({"train": 5, "val": 5}, ("val", "train", None)),
        ({"train": 5}, ("train", None, None)),
        ({"test": 5}, ("test", None, None)),
        ({"validation": 5, "test": 5}, ("test", None, "validation")),
        ({"whole": 5}, ("whole", None, None)),
    ],
)
def test_evaluation_is_test_else_validation_else_the_only_split(write, splits, found):
    data = open_data(write(splits), ref="d")
    assert (data.split, data.calibration_split, data.validation_split) == found


def test_a_test_split_with_secret_labels_is_passed_over_and_that_is_said(write):
    folder = write({"train": 5, "validation": 5, "test": 5}, secret=("test",))
    data = open_data(folder, ref="d")
    assert data.split == "validation"
    assert "test" in data.notes[0]
    with pytest.raises(DataError, match="has no labels"):
        open_data(folder, ref="d", split="test")


def test_everything_can_be_named(write):
    folder = write({"train": 5, "test": 5}, kind="both", column="digit", label=Value("int64"))
    data = open_data(
        folder,
        ref="d",
        config="default",
        split="train",
        calibration_split="test",
        columns=DataColumns(feature="embedding", label="digit"),
    )
    assert (data.split, data.calibration_split) == ("train", "test")
    assert (data.image_column, data.feature_column, data.label_column) == (
        None,
        "embedding",
        "digit",
    )


def test_folders_written_by_save_to_disk_open(tmp_path):
    rows = Dataset.from_dict({"x": [[0.5, 1.0]] * 4, "class": ["a", "b", "a", "b"]})
    DatasetDict(train=rows, test=rows).save_to_disk(tmp_path / "both")
    rows.save_to_disk(tmp_path / "one")
    both, one = (open_data(tmp_path / name, ref=name) for name in ("both", "one"))
    assert (both.split, both.calibration_split, both.config) == ("test", "train", None)
    assert one.split == "train"
    assert (one.feature_column, one.label_column) == ("x", "class")
    with pytest.raises(DataError, match="no configuration 'small'"):
        open_data(tmp_path / "one", ref="one", config="small")


def test_image_folders_and_csv_open(tmp_path):
    for name in ("cat", "dog"):
        (tmp_path / "pets" / "train" / name).mkdir(parents=True)
        Pillow.new("L", (4, 4)).save(tmp_path / "pets" / "train" / name / "a.png")
    pets = open_data(tmp_path / "pets", ref="pets")
    assert (pets.image_column, pets.label_names) == ("image", ["cat", "dog"])
    (tmp_path / "table").mkdir()
    (tmp_path / "table" / "test.csv").write_text("x,label\n1.0,a\n")
    with pytest.raises(DataError, match="neither an image column") as refused:
        open_data(tmp_path / "table", ref="table")
    assert "x: float64" in str(refused.value)


def test_of_several_label_columns_the_usual_name_wins(tmp_path):
    kind = ClassLabel(names=["a", "b"])
    columns = {"x": [[0.5]] * 2, "coarse_label": [0, 1], "fine_label": [1, 0]}
    rows = Dataset.from_dict(columns).cast_column("fine_label", kind)
    one_named = rows.rename_column("fine_label", "kind")
    rows.cast_column("coarse_label", kind).save_to_disk(tmp_path / "two")
    one_named.save_to_disk(tmp_path / "one")
    assert open_data(tmp_path / "two", ref="d").label_column == "fine_label"
    assert open_data(tmp_path / "one", ref="d").label_column == "kind"


def named(**columns):
    return {"columns": DataColumns(**columns)}


REFUSED = {
    "configuration": ({"config": "small"}, "no configuration 'small'", '"default"'),
    "split": ({"split": "dev"}, "no split 'dev'", '"test", "train"'),
    "calibration split": ({"calibration_split": "extra"}, "no split 'extra'", '"test", "train"'),
    "image column": (named(image="img"), "no column 'img'", "image: Image"),
    "image type": (
        {"columns": DataColumns(image="label")},
        "does not hold images",
        "ClassLabel of 10",
    ),
    "feature type": (
        {"columns": DataColumns(feature="image")},
        "does not hold lists of floats",
        "image: Image",
    ),
    "label column": (
        {"columns": DataColumns(label="digit")},
        "no column 'digit'",
        "label: ClassLabel of 10",
    ),
    "label type": (
        {"columns": DataColumns(label="image")},
        "does not hold class labels",
        "image: Image",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_is_not_there_is_refused_with_what_is(write, case):
    asked, message, found = REFUSED[case]
    with pytest.raises(DataError, match=re.escape(message)) as refused:
        open_data(write({"train": 5, "test": 5}), ref="me/digits", **asked)
    assert found in str(refused.value.found)
    assert refused.value.exit_code == 30


def test_folders_without_data_are_refused(tmp_path):
    with pytest.raises(DataError, match="no data set folder"):
        open_data(tmp_path / "nowhere", ref="d")
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="cannot be opened"):
        open_data(tmp_path / "empty", ref="d")
    (tmp_path / "empty" / "train.parquet").write_bytes(b"PAR1 but not really")
    with pytest.raises(DataError, match="cannot be opened"):
        open_data(tmp_path / "empty", ref="d")


def test_tables_without_rows_are_said_to_have_none(tmp_path):
    Dataset.from_dict({"text": [], "label": []}).to_parquet(tmp_path / "test.parquet")
    with pytest.raises(DataError, match="has no rows"):
        open_data(tmp_path, ref="d")
    (tmp_path / "test.parquet").unlink()
    for content in ("", "\n \n"):
        (tmp_path / "test.jsonl").write_text(content)
        with pytest.raises(DataError, match="d has no rows"):
            open_data(tmp_path, ref="d")


def test_without_a_label_column_or_a_usual_split_the_user_must_say(write, tmp_path):
    folder = write({"train": 5, "extra": 5}, label=None)
    with pytest.raises(DataError, match="no labelled test or validation split"):
        open_data(folder, ref="d")
    with pytest.raises(DataError, match="no column that is clearly the label"):
        open_data(folder, ref="d", split="train")


def test_rows_without_labels_are_opened_where_none_are_needed(write):
    folder = write({"train": 30, "validation": 20, "test": 10}, label=None)
    data = open_data(folder, ref="d", columns=DataColumns(labelled=False))
    assert (data.image_column, data.label_column) == ("image", None)
    places = (data.split, data.calibration_split, data.validation_split)
    assert places == ("test", "train", "validation")
    with pytest.raises(DataError, match="no column 'digit'"):
        open_data(folder, ref="d", columns=DataColumns(labelled=False, label="digit"))


@pytest.mark.parametrize("secret", [("test",), ("test", "validation", "train")])
def test_secret_labels_are_no_labels(write, secret):
    """Where labels are needed nowhere, splits with some are still the ones looked at first."""
    folder = write({"train": 30, "validation": 20, "test": 10}, secret=secret)
    data = open_data(folder, ref="d", columns=DataColumns(labelled=False))
    assert (data.split, data.label_column) == (
        ("test", None) if "validation" in secret else ("validation", "label")
    )
    alone = open_data(folder, ref="d", split="test", columns=DataColumns(labelled=False))
    assert (alone.split, alone.label_column) == ("test", None)
    with pytest.raises(DataError, match=r"no labels(.|\n)*merge without data"):
        open_data(folder, ref="d", split="test")


def test_several_configurations_need_a_choice(tmp_path):
    rows = Dataset.from_dict({"x": [[0.5]] * 2, "label": [0, 1]})
    entries = ""
    for name in ("left", "right"):
        rows.to_parquet(tmp_path / "two" / f"{name}.parquet")
        entries += f"- config_name: {name}\n  data_files: {name}.parquet\n"
    (tmp_path / "two" / "README.md").write_text(f"---\nconfigs:\n{entries}---\n")
    with pytest.raises(DataError, match="several configurations") as refused:
        open_data(tmp_path / "two", ref="d")
    assert '"left", "right"' in str(refused.value)
    assert open_data(tmp_path / "two", ref="d", config="right").config == "right"
