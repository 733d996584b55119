"""Texts become rows of their own, or blocks of one length: disjoint and deterministic."""

from __future__ import annotations

from dataclasses import replace

import pytest
from datasets import Dataset, DatasetDict

from hubmerge.data.data_columns import DataColumns
from hubmerge.data.dataset import open_data
from hubmerge.data.reading import ReadFor, read_texts
from hubmerge.data.rows import RowSet, choose_rows
from hubmerge.data.texts import IGNORED, TOKENS
from hubmerge.errors import DataError
from hubmerge.models.token_outputs import TokenStatistics
from tests.helpers import texts


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """One split of numbered texts, each three tokens long and unlike all others."""
    place = tmp_path_factory.mktemp("texts") / "data"
    rows = {"story": [f"{WHO[k // 6]} {WHO[k % 6]} ." for k in range(36)], "page": range(36)}
    DatasetDict({"test": Dataset.from_dict(rows)}).save_to_disk(str(place))
    return place


WHO = texts.WHO


def reading(folder, tokens=None, cut=None, **columns):
    data = open_data(
        folder, ref="me/texts", columns=DataColumns(inputs=["text"], answers=None, **columns)
    )
    model = texts.gpt2(architectures=["GPT2LMHeadModel"])
    found = read_texts(
        data,
        ReadFor(
            model=model,
            statistics=TokenStatistics(),
            tokenizer=cut or texts.tokenizer(),
            labels={},
            tokens=tokens,
        ),
    )
    return data, found


def test_a_block_is_texts_end_to_end(folder):
    data, found = reading(folder, 10)
    rows = choose_rows(data).evaluation
    cut = texts.tokenizer()
    reported = [data.splits["test"][k]["story"] for k in rows.indices]
    line = [token for text in reported for token in [*cut(text)["input_ids"], 0]]
    batches = found.batches(rows, True)
    ids = batches[0].inputs["input_ids"]
    assert ids.flatten().tolist() == line[: ids.numel()]
    assert ids.shape == (len(line) // 10, 10)
    assert batches.labels[:, :-1].equal(ids[:, 1:])
    assert (batches.labels[:, -1] == IGNORED).all()
    assert found.unit == "texts"
    assert found.columns == {"text": "story"}


def test_no_text_is_in_two_sets(folder):
    data, found = reading(folder, 4)  # three tokens and an end: a block is a text
    rows = choose_rows(data)
    sets = [
        {tuple(block) for block in found.batches(each, True)[0].inputs["input_ids"].tolist()}
        for each in (rows.calibration, rows.validation, rows.evaluation)
    ]
    assert [len(each) for each in sets] == [
        len(each) for each in (rows.calibration, rows.validation, rows.evaluation)
    ]
    assert sum(map(len, sets)) == len(set.union(*sets)) == 36


def test_there_are_no_more_blocks_than_texts(folder):
    data, found = reading(folder, 2)
    rows = choose_rows(data).evaluation
    assert found.batches(rows, True).rows == len(rows)


def test_the_length_is_what_the_model_takes_at_most(folder):
    assert texts.TOKENS < TOKENS
    assert f"first {texts.TOKENS} tokens at most" in reading(folder)[1].notes[0]
    with pytest.raises(DataError, match=r"17 tokens(.|\n)*takes 16"):
        reading(folder, 17)


def test_texts_that_cannot_be_read_are_refused(folder):
    with pytest.raises(DataError, match=r"no column(.|\n)*story: string"):
        reading(folder, text="text")
    with pytest.raises(DataError, match=r"does not hold text"):
        reading(folder, text="page")
    strange = [*map(str, range(len(texts.WORDS))), *texts.WORDS]
    data, found = reading(folder, cut=texts.tokenizer(strange))
    with pytest.raises(DataError, match=r"holds a token the model does not know"):
        found.batches(choose_rows(data).evaluation, True)


def test_a_usual_name_goes_before_others(tmp_path):
    rows = {"title": ["a"] * 9, "text": ["the cat ."] * 9}
    Dataset.from_dict(rows).save_to_disk(str(tmp_path / "two"))
    assert reading(tmp_path / "two")[0].text_column == "text"
    rows = {"title": ["a"] * 9, "note": ["the cat ."] * 9}
    Dataset.from_dict(rows).save_to_disk(str(tmp_path / "unsure"))
    with pytest.raises(DataError, match="no column that is clearly the text"):
        reading(tmp_path / "unsure")


def test_a_text_is_a_row(folder):
    data, found = reading(folder, 10)
    rows = choose_rows(data).evaluation
    cut = texts.tokenizer()
    measured = found.measured(rows)
    assert measured.rows == len(rows)
    for row, number in enumerate(rows.indices):
        tokens = [*cut(data.splits["test"][number]["story"])["input_ids"], 0]
        assert measured[0].inputs["input_ids"][row].tolist() == tokens
        assert measured.labels[row].tolist() == [*tokens[1:], IGNORED]


def test_long_texts_are_measured_on_their_beginning_and_short_ones_not_at_all(tmp_path):
    long = " ".join(["the cat sees a dog ."] * 9)
    given = {"text": [long, "the cat .", "", "   ", "cat"] * 40}
    Dataset.from_dict(given).save_to_disk(str(tmp_path / "long"))
    cut = texts.tokenizer()
    cut.eos_token = None
    data, found = reading(tmp_path / "long", 12, cut)
    rows = RowSet(data.split, tuple(range(10)), 10)
    measured = found.measured(rows)
    lengths = (measured.labels != IGNORED).sum(1).tolist()
    assert lengths == [11, 2, 11, 2]
    assert measured[0].inputs["input_ids"].shape == (4, 12)


def test_texts_of_blanks_are_left_out_and_said(tmp_path):
    given = {"text": ["the cat .", "", " \n "] * 12}
    Dataset.from_dict(given).save_to_disk(str(tmp_path / "blanks"))
    data, _ = reading(tmp_path / "blanks")
    assert data.notes == ('24 rows of split "train" have nothing but blanks and were left out',)
    rows = choose_rows(data)
    sets = (rows.calibration, rows.validation, rows.evaluation)
    assert {n % 3 for each in sets for n in each.indices} == {0}
    assert sum(map(len, sets)) == 12


def test_texts_that_are_missing_are_refused(tmp_path):
    Dataset.from_dict({"text": ["the cat .", None] * 5}).save_to_disk(str(tmp_path / "gaps"))
    with pytest.raises(DataError, match=r"5 of 10 rows(.|\n)*have no text(.|\n)*rows 1, 3, 5"):
        reading(tmp_path / "gaps")


def test_a_very_long_text_is_refused_or_read_only_as_far_as_it_counts(tmp_path, monkeypatch):
    long = f"{WHO[0]} " * 300
    Dataset.from_dict({"story": [long] * 12}).save_to_disk(str(tmp_path / "d"))
    seen = []

    class Tokenizer:
        eos_token_id = 0

        def __call__(self, text, **options):
            seen.append(len(text))
            return texts.tokenizer()(text, **options)

    monkeypatch.setattr("hubmerge.data.texts.TOKEN_CHARACTERS", 10)
    data, found = reading(tmp_path / "d", 4, Tokenizer())
    rows = replace(choose_rows(data).evaluation, indices=(0, 1))
    assert found.measured(rows)[0].inputs["input_ids"].shape == (2, 4)
    assert seen == [40, 40]
    monkeypatch.setattr("hubmerge.data.texts.TEXT_CHARACTERS", 100)
    for batches in (found.measured, lambda rows: found.batches(rows, True)):
        with pytest.raises(DataError, match="one text may have 100"):
            batches(rows)
