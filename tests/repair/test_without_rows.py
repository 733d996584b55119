"""Merges of models with batch norm and no calibration rows: what is done and reported."""

from __future__ import annotations

from itertools import count

import pytest
import torch
from datasets import DatasetDict

import hubmerge as hm
from hubmerge.data.synthetic.batches import synthetic_batches
from hubmerge.models import shaken
from hubmerge.repair import inversion
from hubmerge.utils.progress import be_quiet
from tests.helpers import zoo

SYNTHETIC = "Batch norm was re-estimated on synthetic images of 16 x 16, because "
AVERAGED = "which do not fit the merged weights: "


@pytest.fixture(scope="module")
def places(tmp_path_factory):
    """Folders: two ResNets, two heads on features, images and features, and too few images."""
    be_quiet()
    place = tmp_path_factory.mktemp("places")
    whole = {kind: rows() for kind, rows in (("image", zoo.rows), ("feature", zoo.feature_rows))}
    few = {
        name: DatasetDict({split: part.select(range(60)) for split, part in splits.items()})
        for name, splits in whole.items()
    }
    few["scarce"] = DatasetDict(test=whole["image"]["test"].select(range(2)))
    for name, splits in few.items():
        zoo.write_data(place / name, splits)
    for seed in (1, 2):
        torch.manual_seed(seed)
        resnet = shaken(zoo.resnet(zoo.labelled()), seed)
        zoo.write_model(place / f"resnet-{seed}", resnet, "resnet")
        head = zoo.mlp(zoo.labelled(), input_size=64, hidden_sizes=[8], norm="batch")
        shaken(head, seed).save_pretrained(place / f"head-{seed}")
    return place


@pytest.fixture
def merge(places, tmp_path, monkeypatch):
    """A merge of two of the models by weights, on few synthetic images: report, card, tensors."""
    monkeypatch.setitem(synthetic_batches.__kwdefaults__, "images", 40)
    monkeypatch.setattr(inversion, "STEPS", 2)
    numbers = count()

    def do(kind, data=None, **fields):
        models = tuple(str(places / f"{kind}-{seed}") for seed in (1, 2))
        given = {"dataset": str(places / data)} if data else {}
        recipe = hm.Recipe(models=models, match="weights", effort="quick", **given, **fields)
        found = hm.run(recipe, hm.Destination(out=tmp_path / str(next(numbers))))
        state = hm.load(str(found.folder)).model.state_dict()
        return found.report, (found.folder / "README.md").read_text(), state

    return do


def test_no_rows_for_calibration_are_no_data_at_all(merge):
    """The same bytes, and the card says of each why there were no rows."""
    without, said, reference = merge("resnet")
    assert f"{SYNTHETIC}no data was given" in said
    report, said, state = merge("resnet", "image", calibration_samples=0)
    assert f"{SYNTHETIC}no calibration rows were left or asked for" in said
    assert report.method.repair == without.method.repair == "batchnorm"
    assert all(torch.equal(value, reference[name]) for name, value in state.items())
    assert report.n > 0
    report, said, state = merge("resnet", "scarce")
    assert f"{SYNTHETIC}no calibration rows were left or asked for" in said
    assert all(torch.equal(value, reference[name]) for name, value in state.items())


def test_layers_are_refitted_on_synthetic_images_too(merge):
    *_, reference = merge("resnet", fuse="least-squares")
    _, said, state = merge("resnet", "image", calibration_samples=0, fuse="least-squares")
    words = "Layers were fitted on synthetic images of 16 x 16, because no calibration rows"
    assert words in said
    assert all(torch.equal(value, reference[name]) for name, value in state.items())


def test_a_card_says_why_nothing_was_repaired(merge):
    _, said, _ = merge("head", "feature", calibration_samples=0)
    assert f"{AVERAGED}no calibration rows were left or asked for." in said
    _, said, _ = merge("head", "feature", repair="none")
    assert f"{AVERAGED}no repair was wanted." in said
    _, said, _ = merge("head")
    assert f"{AVERAGED}no data was given." in said


def test_a_survey_of_such_a_merge_repairs_in_the_same_way(merge):
    report, *_ = merge("resnet", "image", calibration_samples=0, survey=("plane",))
    assert report.surveys is not None
    assert report.surveys.plane is not None
