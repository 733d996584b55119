"""A quick plan reads configurations and headers, says what differs and what it did not check."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from safetensors.torch import load_file, save_file

from hubmerge.errors import FamilyError, NotFoundError, TargetError, WeightsError
from hubmerge.hub.destination import Destination
from hubmerge.localhub import EmbeddedHub
from hubmerge.pipeline.plan import plan
from hubmerge.planning.quick import NOT_CHECKED, quick_plan
from hubmerge.planning.quick_text import render_quick_plan
from hubmerge.recipe import Recipe
from tests.helpers.small_models import push, save, tiny_resnet, tiny_vit


@pytest.fixture
def pair(tmp_path: Path) -> tuple[str, str]:
    """Folders of two models of one architecture."""
    a, b = save(tmp_path / "a", tiny_vit(0)), save(tmp_path / "b", tiny_vit(1), "apache-2.0")
    return str(a), str(b)


def test_it_agrees_with_the_plan(hub: EmbeddedHub, tmp_path: Path) -> None:
    a = push(hub, "quick/a", save(tmp_path / "a", tiny_vit(0)))
    b = push(hub, "quick/b", save(tmp_path / "b", tiny_vit(1), "apache-2.0"))
    recipe, destination = Recipe(models=(a, b)), Destination(push="quick/merged")
    quick, whole = quick_plan(recipe, destination), plan(recipe, destination)
    for of_quick, of_whole in zip(quick.models, whole.models, strict=True):
        shared = of_quick.model_dump().keys() & of_whole.model_dump().keys()
        assert {"sha", "dtype", "licenses", "weight_bytes"} < shared
        assert of_quick.model_dump(include=shared) == of_whole.model_dump(include=shared)
        assert of_quick.architecture == whole.both.architecture
        assert of_quick.families == [whole.both.family]
    assert (quick.licence, quick.private) == (whole.licence, whole.private)
    assert quick.target.repo == whole.target.repo == "quick/merged"
    assert quick.same_architecture
    assert quick.differences == []


def test_a_folder_is_not_hashed(pair: tuple[str, str]) -> None:
    assert [each.sha for each in quick_plan(Recipe(models=pair)).models] == [None, None]


def test_tensors_that_differ_are_named_with_their_shapes(pair: tuple[str, str]) -> None:
    weights = Path(pair[1]) / "model.safetensors"
    tensors = load_file(weights)
    narrow, lost, *_ = sorted(tensors)
    there, gone = list(tensors[narrow].shape), list(tensors.pop(lost).shape)
    tensors[narrow] = tensors[narrow][1:].contiguous()
    save_file(tensors, weights, {"format": "pt"})
    found = quick_plan(Recipe(models=pair))
    assert {each.name: each.shapes for each in found.differences} == {
        narrow: {"A": there, "B": [there[0] - 1, *there[1:]]},
        lost: {"A": gone, "B": None},
    }
    text = render_quick_plan(found)
    assert "2 differ in name or shape" in text
    assert f"{lost}: A {gone}, B none" in text


def test_other_architectures_are_described_not_refused(
    pair: tuple[str, str], tmp_path: Path
) -> None:
    other = str(save(tmp_path / "c", tiny_resnet()))
    found = quick_plan(Recipe(models=(pair[0], other)))
    assert not found.same_architecture
    assert [each.families for each in found.models] == [["vit"], ["resnet"]]
    text = render_quick_plan(found)
    assert "ViTForImageClassification (vit) / ResNetForImageClassification (resnet)" in text
    assert "they differ" in text


def test_it_says_what_it_does_not_check(pair: tuple[str, str]) -> None:
    found = quick_plan(Recipe(models=pair))
    assert found.not_checked == list(NOT_CHECKED)
    assert all(each in render_quick_plan(found) for each in NOT_CHECKED)


def without(name: str) -> Callable[[Path], None]:
    return lambda folder: (folder / name).unlink()


def no_json(folder: Path) -> None:
    (folder / "config.json").write_text("{")


@pytest.mark.parametrize(
    ("spoil", "error", "said"),
    [
        (without("config.json"), NotFoundError, "holds no config.json"),
        (without("model.safetensors"), WeightsError, "has no weights"),
        (no_json, FamilyError, "is no JSON"),
    ],
)
def test_what_cannot_be_read_is_refused(
    pair: tuple[str, str], spoil: Callable[[Path], None], error: type[Exception], said: str
) -> None:
    spoil(Path(pair[1]))
    with pytest.raises(error, match=said):
        quick_plan(Recipe(models=pair))


def test_a_folder_in_use_is_no_place_for_the_result(pair: tuple[str, str]) -> None:
    with pytest.raises(TargetError):
        quick_plan(Recipe(models=pair), Destination(out=Path(pair[0])))
