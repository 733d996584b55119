"""Examples in memory are rows, in their own order, whichever order a caller would draw."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from datasets import Dataset, load_dataset
from PIL import Image
from torch.utils.data import DataLoader, IterableDataset
from torch.utils.data import Dataset as TorchDataset

from hubmerge.errors import DataError
from hubmerge.hub.source import resolve
from hubmerge.recipe import make_recipe
from hubmerge.utils.examples import rows_of

TEXTS = [{"text": f"number {n}", "label": n % 2} for n in range(6)]


class Pairs(TorchDataset):
    def __init__(self, inputs):
        self.inputs = inputs

    def __len__(self):
        return len(self.inputs)

    def __getitem__(self, number):
        return self.inputs[number], torch.tensor(number % 2)


class Stream(IterableDataset):
    def __iter__(self):
        return iter(TEXTS)


def stored(data):
    recipe = make_recipe(models=["me/a", "me/b"], dataset=data)
    found = resolve(recipe.dataset.id, "dataset")
    rows = load_dataset("parquet", data_dir=recipe.dataset.id, split="test")
    return found, rows


def test_a_list_and_a_loader_of_it_are_one_data_set():
    listed, rows = stored(TEXTS)
    assert rows.to_list() == TEXTS
    assert listed.kind == "memory"
    loaded, _ = stored(DataLoader(TEXTS, batch_size=2, shuffle=True))
    assert loaded.sha == listed.sha
    of_rows, _ = stored(DataLoader(Dataset.from_list(TEXTS), shuffle=True))
    assert of_rows.sha == listed.sha
    assert stored(TEXTS[::-1])[0].sha != listed.sha


def test_nothing_is_shown_while_rows_are_stored(capfd):
    stored(TEXTS)
    assert "Creating" not in capfd.readouterr().err


def test_words_are_given_with_their_tags():
    _, rows = stored([(["the", "cat"], ["O", "B-WHO"]), (["it"], ["O"])])
    assert rows[0] == {"tokens": ["the", "cat"], "tags": ["O", "B-WHO"]}


def test_texts_by_themselves_may_be_ids_and_are_refused():
    with pytest.raises(DataError, match=r'without the name of its column(.|\n)*"text"'):
        stored(["me/a", "me/b"])


@pytest.mark.parametrize(
    ("inputs", "column"),
    [
        (["one", "two"], "text"),
        ([np.array([0.5, 1.0]), np.array([1.5, 2.0])], "features"),
        ([Image.new("RGB", (4, 4), colour) for colour in ("red", "blue")], "image"),
    ],
    ids=["texts", "numbers", "pictures"],
)
def test_pairs_of_input_and_label(inputs, column):
    rows = rows_of(DataLoader(Pairs(inputs), batch_size=1, shuffle=True))
    assert {*rows.features} == {column, "label"}
    assert rows["label"][:] == [0, 1]
    if column != "image":
        assert rows[column][:] == [getattr(each, "tolist", lambda e=each: e)() for each in inputs]


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (DataLoader(Stream()), "only be gone through once"),
        ([(torch.zeros(3, 4, 4), 0)], "made a tensor"),
        ([5, 6], "a int"),
    ],
)
def test_what_cannot_be_rows_is_refused(given, said):
    with pytest.raises(DataError, match=said):
        rows_of(given)
