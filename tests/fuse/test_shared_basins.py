"""Whole merges of models that share a basin, or do not: who is left as it came, and where."""

from __future__ import annotations

import shutil

import pytest
import torch
from safetensors.torch import load_file, save_file

import hubmerge as hm
from hubmerge.models import shaken
from hubmerge.symmetry.laws import spec_of
from hubmerge.symmetry.permutation import permute, random_permutation
from tests.helpers import zoo

METADATA = {"format": "pt"}


def tensors(folder):
    return load_file(folder / "model.safetensors")


def rewritten(folder, out, change):
    """A copy of a model's folder with other tensors."""
    shutil.copytree(folder, out)
    save_file(change(tensors(folder)), out / "model.safetensors", METADATA)
    return out


@pytest.fixture(scope="module")
def permuted(past, tmp_path_factory):
    """The base with its units in another order."""
    spec = spec_of(hm.load(str(past.base)).model)
    order = random_permutation(spec, 3)
    out = tmp_path_factory.mktemp("permuted") / "permuted"
    return rewritten(past.base, out, lambda state: dict(permute(spec, state, order)))


@pytest.fixture(scope="module")
def copied(past, tmp_path_factory):
    """The base under another name."""
    return rewritten(past.base, tmp_path_factory.mktemp("copied") / "copied", dict)


def same_bits(left, right):
    assert left.keys() == right.keys()
    for name, value in left.items():
        assert value.numpy().tobytes() == right[name].numpy().tobytes(), name


@pytest.mark.parametrize("data", [False, True])
def test_a_model_merged_with_itself_is_written_as_it_is(past, copied, merge, data):
    report, folder = merge(
        past.base, copied, match="weights", symmetry="all", lam=0.3, repair="none", data=data
    )
    same_bits(tensors(folder), tensors(past.base))
    assert report.method.match == "none"
    assert not report.method.spaces
    assert any("Nothing was matched" in limit for limit in report.limits)


def test_so_are_three_of_it(past, copied, merge):
    weights = {"match": "weights", "weights": (0.5, 0.2, 0.3)}
    _, folder = merge(past.base, copied, past.base, **weights, repair="none", data=False)
    same_bits(tensors(folder), tensors(past.base))


@pytest.mark.parametrize(
    ("match", "data"),
    [
        ("weights", False),
        ("weights", True),
        ("auto", True),
        pytest.param("auto", False, marks=pytest.mark.slow),
    ],
)
def test_fine_tunes_are_averaged_where_they_are(past, merge, match, data):
    report, folder = merge(*past.fine, match=match, repair="none", data=data)
    assert report.method.match == "none"
    one, two = map(tensors, past.fine)
    for name, value in tensors(folder).items():
        torch.testing.assert_close(value, (one[name] + two[name]) / 2, msg=name)


def test_a_learner_is_spared_what_is_there_already(past, merge):
    report, _ = merge(*past.fine, match="learned", learning_steps=3, repair="none")
    assert report.method.match == "none"


@pytest.mark.parametrize("data", [False, True])
def test_a_permuted_copy_is_put_in_order(past, permuted, merge, data):
    report, folder = merge(past.base, permuted, match="weights", repair="none", data=data)
    assert report.method.match == "weights"
    assert sum(space.moved for space in report.method.spaces) > 0
    for name, value in tensors(folder).items():
        torch.testing.assert_close(value, tensors(past.base)[name], rtol=1e-6, atol=1e-7, msg=name)


@pytest.mark.parametrize("data", [False, True])
def test_a_stranger_is_matched(past, merge, data):
    report, _ = merge(past.base, past.stranger, match="weights", data=data)
    assert report.method.match == "weights"
    assert sum(space.moved for space in report.method.spaces) > 0


def test_of_several_each_is_left_or_put_in_order(past, permuted, merge):
    report, folder = merge(
        past.base, past.fine[0], permuted, match="weights", repair="none", data=False
    )
    moved = {}
    for space in report.method.spaces:
        moved[space.parent] = moved.get(space.parent, 0) + space.moved
    assert moved["parent_b"] == 0
    assert moved["parent_c"] > 0
    base, fine = tensors(past.base), tensors(past.fine[0])
    for name, value in tensors(folder).items():
        wanted = (2 * base[name] + fine[name]) / 3
        torch.testing.assert_close(value, wanted, rtol=1e-5, atol=1e-6, msg=name)


def test_what_matching_alone_says_of_fine_tunes_is_that_nothing_moved(past):
    one, two = (hm.load(str(folder)) for folder in past.fine)
    found = hm.match(one, two)
    assert all(space.moved == 0 and space.gain == 0 for space in found.match.spaces)
    aligned = found.apply(two)
    assert aligned.anchor.model is not None
    for name, value in two.model.state_dict().items():
        assert torch.equal(aligned.model.state_dict()[name], value), name


def test_gains_that_stay_folded_are_named_on_the_card(merge, tmp_path):
    """A's gain is 0 where B's is not: in A's own coordinates B could not be written down."""
    places = []
    for seed in (1, 2):
        torch.manual_seed(seed)
        model = shaken(zoo.vit(zoo.labelled()), seed)
        if seed == 1:
            model.vit.layernorm.weight.data[3] = 0
        places.append(zoo.write_model(tmp_path / f"vit-{seed}", model, "vit"))
    report, folder = merge(*places, match="weights", data=False)
    assert report.method.match == "weights"
    (said,) = [limit for limit in report.limits if "too small to divide by" in limit]
    assert "1 of vit.layernorm, are 1 in the merge" in said
    assert said in (folder / "README.md").read_text()
    assert tensors(folder)["vit.layernorm.weight"][3] == 1
