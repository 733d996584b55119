"""Slices that are merged each, single models, and several merges in one file, as mergekit's."""

from __future__ import annotations

import json

import pytest
import torch

import hubmerge as hm
from hubmerge.errors import HubmergeError, RecipeError
from hubmerge.pipeline import run as running
from hubmerge.recipe import read_recipe, recipe_from
from hubmerge.verification.verify import verify
from tests.helpers.mergekit_slices import ALONE, SLICES, STAGED, recorded
from tests.helpers.mergekit_yamls import place, read, tensors_in


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("stages") / "here"
    place(read(), folder)
    return folder


def merged(text, folder, name):
    file = folder / f"{name}.yml"
    file.write_text(text)
    return hm.run(read_recipe(file), out=folder / f"of-{name}")


def assert_mergekits(found, name):
    wanted = recorded()[name]
    assert found.keys() == wanted.keys()
    for tensor, value in wanted.items():
        assert found[tensor].dtype == value.dtype
        step = 2**-8 if value.dtype == torch.bfloat16 else 2e-6
        torch.testing.assert_close(found[tensor], value, rtol=step, atol=step, msg=tensor)


@pytest.mark.parametrize("name", [*SLICES, *ALONE])
def test_slices_and_single_models_are_mergekits(name, folder):
    made = merged({**SLICES, **ALONE}[name], folder, name)
    assert_mergekits(tensors_in(made.folder), name)
    layers = {"merged-slices": 5}.get(name, 4)
    assert json.loads((made.folder / "config.json").read_text())["num_hidden_layers"] == layers


def test_several_merges_are_mergekits_recorded_and_made_again(folder):
    made = merged(STAGED, folder, "staged")
    assert_mergekits(tensors_in(made.folder), "staged")
    stages = made.report.stages
    assert [each.name for each in stages] == ["first", "second/slice-1", "second"]
    assert [each.method.fuse for each in stages] == ["nuslerp", "average", "passthrough"]
    assert [each.kind for each in made.report.models] == ["stage", "local"]
    card = (made.folder / "README.md").read_text()
    assert "| stage, made before |" in card
    assert "of parent B" not in card  # a stack, in which nothing is weighed
    assert all(f"<code>{each.name}</code> | <code>" in card for each in stages)
    assert not [path for path in folder.iterdir() if path.name.startswith(".")]
    checked = verify(str(made.folder))
    assert {each.outcome.name for each in checked.checks} == {"IDENTICAL"}


def test_a_stage_that_is_whole_is_not_made_again(folder, monkeypatch):
    file = folder / "stopped.yml"
    file.write_text(STAGED)
    made, stages = running._made, []

    def stopping(run, *rest):
        stages.append(run.out.name)
        if len(stages) == 3:
            raise KeyboardInterrupt
        return made(run, *rest)

    monkeypatch.setattr(running, "_made", stopping)
    with pytest.raises(KeyboardInterrupt):
        hm.run(read_recipe(file), out=folder / "stopped")
    assert stages == ["stage-1", "stage-2", "stage-3"]
    hm.run(read_recipe(file), out=folder / "stopped")
    assert stages[3:] == ["stage-3", "stopped"]
    assert_mergekits(tensors_in(folder / "stopped"), "staged")
    assert not [path for path in folder.iterdir() if path.name.startswith(".")]


OURS = """
stages:
  first: {models: [ORG/a, ORG/b], fuse: nuslerp, match: none, lambda: .25}
models: ["first[0:2]", ORG/c+ORG/lora]
match: none
"""


def test_a_recipe_says_stages_too():
    recipe = recipe_from(OURS)
    assert recipe.stages["first"].fuse == "nuslerp"
    assert recipe_from(recipe.to_yaml()) == recipe


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (OURS.replace("ORG/b", "first"), "'first', which is made by itself"),
        (OURS.replace("first[0:2]", "frist"), "nothing is made of stage 'first'"),
        (OURS.replace("lambda: .25", "dataset: ORG/d"), "leave out dataset"),
        (OURS.replace("lambda: .25", "lamda: .25"), "stage 'first'"),
        (OURS.replace("first:", "'first+':"), "no name of a stage"),
        (STAGED.replace("name: second\n", ""), "needs a name"),
        (STAGED.replace("name: second", "name: first"), "two merges are named 'first'"),
        (STAGED.replace("model: ./b,", "model: second,", 1), "made after it"),
        (SLICES["based"].replace("\nparameters", "\nparametres"), "parametres"),
    ],
)  # fmt: skip
def test_stages_that_cannot_be_are_refused(text, said):
    with pytest.raises(RecipeError) as error:
        recipe_from(text)
    assert said in str(error.value)


def test_a_stage_that_cannot_be_made_is_refused_before_anything_is_written(folder):
    with pytest.raises(HubmergeError, match="does not have the layers"):
        merged(STAGED.replace("[2, 4]", "[2, 5]"), folder, "too-many")
    assert not [path for path in folder.iterdir() if path.name.startswith(".")]
