from __future__ import annotations

import itertools
from dataclasses import replace

import pytest

from hubmerge.data.dataset import open_data
from hubmerge.data.rows import choose_rows, hash_order, training_rows
from hubmerge.data.splits import learning_rows
from hubmerge.errors import DataError, RecipeError
from hubmerge.matching import learners
from hubmerge.recipe import make_recipe

SPLITS = [
    {"train": 60, "test": 50},
    {"train": 60, "validation": 30, "test": 50},
    {"train": 90},
    {"validation": 40, "test": 50},
    {"test": 3},
]


@pytest.mark.parametrize("splits", SPLITS, ids=str)
@pytest.mark.parametrize("samples", [None, 1, 3, "all"])
def test_no_row_is_in_two_sets(write, splits, samples):
    data = open_data(write(splits), ref="d")
    rows = choose_rows(data, samples=samples)
    sets = (rows.calibration, rows.validation, rows.evaluation)
    for one, other in itertools.combinations(sets, 2):
        assert one.split != other.split or not set(one.indices) & set(other.indices)
    for rows_of in sets:
        assert len(set(rows_of.indices)) == len(rows_of) <= rows_of.available
        assert set(rows_of.indices) <= set(range(len(data.splits[rows_of.split])))
    assert len(rows.evaluation) >= 1


def test_the_order_is_written_in_stone():
    assert hash_order(8) == (3, 7, 4, 0, 1, 2, 5, 6)
    assert sorted(hash_order(1000)) == list(range(1000))
    smaller = [row for row in hash_order(1000) if row < 100]
    assert tuple(smaller) == hash_order(100)


def test_a_fifth_is_held_out_for_validation_and_the_rest_reported(write):
    rows = choose_rows(open_data(write({"train": 60, "test": 50}), ref="d"), samples="all")
    assert (len(rows.calibration), rows.calibration.split) == (60, "train")
    assert (len(rows.validation), rows.validation.split) == (10, "test")
    assert (len(rows.evaluation), rows.evaluation.split) == (40, "test")
    assert rows.notes == ()


def test_a_validation_split_leaves_the_test_split_whole(write):
    splits = {"train": 60, "validation": 30, "test": 50}
    rows = choose_rows(open_data(write(splits), ref="d"))
    assert (len(rows.validation), rows.validation.split) == (30, "validation")
    assert len(rows.evaluation) == 50


def test_one_split_is_divided_40_20_40(write):
    rows = choose_rows(open_data(write({"train": 100}), ref="d"))
    assert [len(s) for s in (rows.calibration, rows.validation, rows.evaluation)] == [40, 20, 40]
    assert "no training split" in rows.notes[0]


def test_fewer_rows_are_the_beginning_of_more(write):
    data = open_data(write({"train": 60, "test": 50}), ref="d")
    most = choose_rows(data, samples=50).evaluation.indices
    for samples in range(1, 50):
        assert choose_rows(data, samples=samples).evaluation.indices == most[:samples]


def test_a_large_number_takes_validation_rows_first_and_is_reported(write):
    data = open_data(write({"train": 100}), ref="d")
    some = choose_rows(data, samples=50)
    assert [len(s) for s in (some.calibration, some.validation)] == [40, 10]
    more = choose_rows(data, samples=70)
    assert [len(s) for s in (more.calibration, more.validation)] == [30, 0]
    whole = choose_rows(data, samples=100)
    assert [len(s) for s in (whole.calibration, whole.validation)] == [0, 0]
    assert any("nothing can be chosen" in note for note in whole.notes)
    assert any("calibrate" in note for note in whole.notes)


def test_recorded_lengths_give_the_same_rows_again(write):
    data = open_data(write({"train": 60, "test": 50}), ref="d")
    first = choose_rows(data)
    again = choose_rows(
        data, samples=len(first.evaluation), calibration_samples=len(first.calibration)
    )
    assert again == first
    assert again.evaluation.fingerprint == first.evaluation.fingerprint
    assert choose_rows(data, samples=39).evaluation.fingerprint != first.evaluation.fingerprint
    assert first.evaluation.fingerprint in first.describe()


def test_more_rows_than_there_are_is_refused_with_how_many_there_are(write):
    data = open_data(write({"train": 60, "test": 50}), ref="me/digits")
    with pytest.raises(DataError, match="51 evaluation rows") as refused:
        choose_rows(data, samples=51)
    assert "has 50 rows" in str(refused.value)
    with pytest.raises(DataError, match="61 calibration rows") as refused:
        choose_rows(data, calibration_samples=61)
    assert "60 rows" in str(refused.value)
    assert len(choose_rows(data, calibration_samples=0).calibration) == 0


@pytest.mark.parametrize(
    "asked", [{"samples": 0}, {"samples": "most"}, {"calibration_samples": -1}]
)
def test_numbers_without_sense_are_refused(write, asked):
    with pytest.raises(RecipeError):
        choose_rows(open_data(write({"test": 5}), ref="d"), **asked)


@pytest.mark.parametrize(("wanted", "again"), [(40, 0), (41, 1), (60, 20)])
def test_training_rows_are_those_nothing_was_done_with_as_long_as_there_are_any(
    write, wanted, again
):
    data = open_data(write({"train": 60, "test": 50}), ref="d")
    used = choose_rows(data, calibration_samples=20).calibration.indices
    rows, counted = training_rows(data, wanted, len(used))
    assert rows.split == "train"
    assert len(set(rows.indices)) == len(rows) == wanted
    assert len(set(rows.indices) & set(used)) == counted == again


def test_training_rows_come_from_a_training_split_that_has_them(write):
    folder = write({"train": 60, "test": 50})
    data = open_data(folder, ref="me/digits")
    with pytest.raises(DataError, match="61 training rows"):
        training_rows(data, 61, 0)
    alone = open_data(folder, ref="d", split="train")
    with pytest.raises(DataError, match="training split beside"):
        training_rows(alone, 1, 0)


@pytest.mark.parametrize(
    ("asked", "taken"),
    [
        ({}, 30),
        ({"learning_steps": 1}, 30),
        ({"learning_steps": 2}, 50),
        ({"learning_steps": 9}, 60),
        ({"learning_steps": 9, "calibration_samples": 10}, 10),
    ],
)
def test_a_course_takes_a_row_for_each_it_looks_at_as_far_as_there_are(write, asked, taken):
    data = open_data(write({"train": 60, "test": 50}), ref="d")
    recipe = make_recipe(models=("o/a", "o/b"), match="learned", dataset="o/d", **asked)
    rows = choose_rows(data, calibration_samples=recipe.calibration_samples or 20)
    wanted = replace(learners()["learned"], rows=30).rows_for(recipe.learning_steps)
    assert (
        len(
            learning_rows(
                data, rows, wanted, samples=recipe.samples, asked=recipe.calibration_samples
            )
        )
        == taken
    )
