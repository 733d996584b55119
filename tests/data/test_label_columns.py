"""A column of zeros and ones for each label of a model."""

from __future__ import annotations

import pytest
from datasets import Dataset, DatasetDict, Features, Value

from hubmerge.data.column_types import LABEL_SETS
from hubmerge.data.data_columns import DataColumns
from hubmerge.data.dataset import open_data
from hubmerge.data.rows import RowSet, choose_rows
from hubmerge.data.targets import Naming, find_targets
from hubmerge.errors import DataError, LabelError

LABELS = ("Very Toxic", "insult", "threat")
"""As a model has them; data sets write the first as `very_toxic`."""
RIGHT = [[0, 1, 0], [1, 1, 0], [0, 0, 0], [0, 0, 1]] * 10
ORDER = ("threat", "id", "very_toxic", "comment_text", "insult")


def table(rows, kind="int64", **changed):
    toxic, insult, threat = zip(*rows, strict=True)
    held = {
        "id": [f"{n:04}" for n in range(len(rows))],
        "comment_text": [f"row {n}" for n in range(len(rows))],
        "very_toxic": toxic,
        "insult": insult,
        "threat": threat,
    } | changed
    types = {name: Value("string" if name in ORDER[1::2] else kind) for name in ORDER}
    return Dataset.from_dict({name: held[name] for name in ORDER}, features=Features(types))


def opened(folder, splits, labels=LABELS, **columns):
    DatasetDict(splits).save_to_disk(str(folder))
    wanted = DataColumns(inputs=("text", "pair"), answers=LABEL_SETS, labels=labels, **columns)
    return open_data(folder, ref="me/d", columns=wanted)


def targets(data, labels=LABELS):
    rows = tuple(range(len(data.splits[data.split])))
    found = find_targets(data, LABEL_SETS, Naming(dict(enumerate(labels))))
    read = found.read(data.splits[data.split], RowSet(data.split, rows, len(rows)))
    return read.tolist(), found.notes


@pytest.mark.parametrize("kind", ["int64", "bool", "float32"])
def test_labels_are_read_in_the_order_of_the_model(kind, tmp_path):
    data = opened(tmp_path, {"test": table(RIGHT, kind)})
    assert data.text_column == "comment_text"
    assert data.label_columns == ("very_toxic", "insult", "threat")
    found, notes = targets(data)
    assert found == RIGHT
    assert notes == (
        "each label is read from the column called as it is: very_toxic, insult, threat",
    )
    backwards, _ = targets(opened(tmp_path / "b", {"test": table(RIGHT, kind)}, LABELS[::-1]))
    assert backwards == [row[::-1] for row in RIGHT]


def test_a_column_of_all_labels_that_is_asked_for_goes_first(tmp_path):
    with pytest.raises(DataError, match='"insult" of me/d does not hold lists'):
        opened(tmp_path, {"test": table(RIGHT)}, label="insult")


def test_rows_of_which_something_is_unknown_have_no_labels(tmp_path):
    known = RIGHT * 3
    insult = [row[1] for row in known]
    data = opened(tmp_path, {"test": table(known, insult=[None, *insult[1:]])})
    assert data.left_out == {"test": frozenset({0})}
    assert 0 not in choose_rows(data, samples="all").evaluation.indices


def test_a_split_whose_labels_are_secret_is_passed_over(tmp_path):
    secret = table([[-1, -1, -1]] * 40)
    data = opened(tmp_path, {"test": secret, "validation": table(RIGHT)})
    assert (data.split, data.notes) == (
        "validation",
        ('the labels of split "test" are not public',),
    )
    without = table(RIGHT).remove_columns(["very_toxic", "insult", "threat"])
    assert opened(tmp_path / "b", {"test": without, "validation": table(RIGHT)}).split == data.split


def test_what_is_neither_0_nor_1_is_refused(tmp_path):
    shares = [row[2] / 2 for row in RIGHT]
    with pytest.raises(LabelError, match=r'"threat" of me/d(.|\n)*0.5 in row 3 of split "test"'):
        opened(tmp_path, {"test": table(RIGHT, "float64", threat=shares)})


def test_columns_for_some_labels_only_are_refused(tmp_path):
    with pytest.raises(DataError, match=r"2 of the 3 labels(.|\n)*none is called spam"):
        opened(tmp_path, {"test": table(RIGHT)}, ("spam", "insult", "threat"))
