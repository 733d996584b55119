from __future__ import annotations

import pytest
from datasets import ClassLabel, Value

from hubmerge.data.dataset import open_data
from hubmerge.data.labels import match_labels
from hubmerge.errors import LabelError

NAMES = ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"]


@pytest.fixture
def named(write):
    return open_data(write({"test": 40}), ref="me/digits")


def test_permuted_labels_are_matched_by_name(named):
    order = [3, 1, 4, 0, 5, 9, 2, 6, 8, 7]
    model = {index: NAMES[label] for index, label in enumerate(order)}
    found = match_labels(named, model)
    assert found.how == "by name"
    assert all(model[index] == NAMES[label] for label, index in found.index.items())


def test_spelling_does_not_matter(named):
    model = {index: f" {name.upper()}_" for index, name in enumerate(NAMES)}
    assert match_labels(named, model).index == {label: label for label in range(10)}


def test_classes_the_data_lacks_are_noted(named):
    model = dict(enumerate([*NAMES, "ten", "eleven"]))
    assert match_labels(named, model).note.startswith("2 of the model's 12 classes")


def test_text_labels_are_matched_by_name(write):
    data = open_data(write({"test": 40}, label=Value("string")), ref="d")
    model = dict(enumerate(reversed(NAMES)))
    found = match_labels(data, model)
    assert found.index["nine"] == 0
    assert found.index["zero"] == 9


def test_numbers_are_output_indices_unless_the_model_has_numbers_for_names(write):
    data = open_data(write({"test": 40}, label=Value("int64")), ref="d")
    assert match_labels(data, dict(enumerate(NAMES))).index[7] == 7
    assert match_labels(data, dict(enumerate(NAMES))).how == "by index"
    backwards = {index: str(9 - index) for index in range(10)}
    found = match_labels(data, backwards)
    assert (found.how, found.index[7]) == ("by name", 2)
    assert match_labels(data, backwards, by_index=True).index[7] == 7


def test_names_that_say_nothing_are_matched_by_index(named):
    found = match_labels(named, {index: f"LABEL_{index}" for index in range(10)})
    assert (found.how, found.index[3]) == ("by index", 3)
    with pytest.raises(LabelError, match="10 classes, the model 12"):
        match_labels(named, {index: f"LABEL_{index}" for index in range(12)})


def test_repeated_names_are_fine_in_the_same_order_only(write):
    cranes = ["crane", "crane", *NAMES[2:]]
    data = open_data(write({"test": 40}, label=ClassLabel(names=NAMES)), ref="d")
    with pytest.raises(LabelError, match="does not know 2 of the 10"):
        match_labels(data, dict(enumerate(cranes)))
    with pytest.raises(LabelError, match="several classes of one name"):
        match_labels(data, dict(enumerate([*NAMES, "zero"])))


def test_labels_that_do_not_fit_are_refused(write, named):
    with pytest.raises(LabelError, match='"two"') as refused:
        match_labels(named, {0: "zero", 1: "one"})
    assert refused.value.exit_code == 14
    assert "me/digits" in str(refused.value)


def test_numbers_beyond_the_models_classes_are_refused(write):
    data = open_data(write({"test": 40}, label=Value("int64")), ref="d")
    with pytest.raises(LabelError, match='holds "8", "9"'):
        match_labels(data, dict(enumerate(NAMES[:8])))


def test_text_has_no_order_to_match_by_index(write):
    data = open_data(write({"test": 40}, label=Value("string")), ref="d")
    with pytest.raises(LabelError, match="have no order"):
        match_labels(data, {index: f"LABEL_{index}" for index in range(10)})
