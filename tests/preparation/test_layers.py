"""Stacks of layers, and models with some of their layers."""

import json

import pytest
import torch
from safetensors.torch import load_file
from transformers import (
    AutoModelForCausalLM,
    LlamaConfig,
    LlamaForCausalLM,
    Qwen2Config,
    Qwen2ForCausalLM,
)

import hubmerge as hm
from hubmerge.errors import MismatchError, RecipeError
from hubmerge.hub.destination import Destination
from hubmerge.pipeline.run import run
from hubmerge.recipe import make_recipe, read_recipe
from hubmerge.verification.verify import verify
from tests.helpers.mergekit_yamls import STACKS, place, read, tensors_in

SIZES = {
    "vocab_size": 12,
    "hidden_size": 8,
    "intermediate_size": 12,
    "num_hidden_layers": 4,
    "num_attention_heads": 2,
    "num_key_value_heads": 1,
}
KINDS = ["full_attention", "sliding_attention", "full_attention", "sliding_attention"]


def saved(folder, seed, build=LlamaForCausalLM, config=LlamaConfig, **fields):
    torch.manual_seed(seed)
    build(config(**SIZES, **fields)).save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("layers") / "here"
    place(read(), folder)
    return folder


def stacked(out, *models, **fields):
    recipe = make_recipe(models=tuple(map(str, models)), fuse="passthrough", **fields)
    return run(recipe, Destination(out=out))


@pytest.mark.parametrize("name", STACKS)
def test_a_stack_is_mergekits(name, folder):
    file = folder / f"{name}.yml"
    file.write_text(STACKS[name])
    made = hm.run(read_recipe(file), out=folder / f"of-{name}")
    found, wanted = tensors_in(made.folder), read()[name]
    assert found.keys() == wanted.keys()
    for tensor, value in wanted.items():
        step = 2**-8 if value.dtype == torch.bfloat16 else 1e-6
        torch.testing.assert_close(found[tensor], value, rtol=step, atol=step, msg=tensor)


def test_all_layers_of_one_model_are_that_model_and_two_halves_too(folder, tmp_path):
    a = load_file(folder / "a" / "model.safetensors")
    halves = stacked(tmp_path / "halves", f"{folder / 'a'}[0:2]", f"{folder / 'a'}[2:4]")
    assert {n: v.tolist() for n, v in tensors_in(halves.folder).items()} == {
        n: v.tolist() for n, v in a.items()
    }
    records = halves.report.models
    assert [each.layers for each in records] == [[0, 2], [2, 4]]
    assert "model_name: a[0:2] + a[2:4]" in (halves.folder / "README.md").read_text()


def test_the_number_of_layers_and_lists_over_them_follow(tmp_path):
    fields = {"layer_types": KINDS, "use_sliding_window": True, "sliding_window": 4}
    a, b = (
        saved(tmp_path / name, seed, Qwen2ForCausalLM, Qwen2Config, **fields)
        for seed, name in enumerate("ab")
    )
    made = stacked(tmp_path / "out", f"{a}[0:3]", f"{b}[1:4]")
    config = json.loads((made.folder / "config.json").read_text())
    assert config["num_hidden_layers"] == 6
    assert config["layer_types"] == [*KINDS[:3], *KINDS[1:]]
    model = AutoModelForCausalLM.from_pretrained(made.folder)
    assert len(model.model.layers) == 6
    checked = verify(str(made.folder))
    assert not [each for each in checked.checks if each.outcome.name != "IDENTICAL"]


def test_models_with_some_of_their_layers_merge(folder, tmp_path):
    models = (f"{folder / 'a'}[1:3]", f"{folder / 'b'}[2:4]")
    made = run(
        make_recipe(models=models, match="none", repair="none"), Destination(out=tmp_path / "out")
    )
    found, a, b = tensors_in(made.folder), read()["a"], read()["b"]
    name = "model.layers.{}.mlp.up_proj.weight"
    for number in range(2):
        wanted = (a[name.format(number + 1)] + b[name.format(number + 2)]) / 2
        torch.testing.assert_close(found[name.format(number)], wanted)
    assert name.format(2) not in found
    assert json.loads((made.folder / "config.json").read_text())["num_hidden_layers"] == 2


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"base": "org/base"}, "base"),
        ({"dataset": "org/data"}, "dataset"),
        ({"match": "weights"}, "match"),
        ({"fuse_options": {"scale/C": 2.0}}, "scale/C"),
    ],
)
def test_what_a_stack_cannot_have_is_refused(fields, said, folder, tmp_path):
    with pytest.raises(RecipeError) as error:
        stacked(tmp_path / "out", folder / "a", folder / "b", **fields)
    assert said in str(error.value)


def test_layers_that_do_not_fit_are_refused(folder, tmp_path):
    a = folder / "a"
    with pytest.raises(RecipeError, match="does not have the layers 2 to 4"):
        stacked(tmp_path / "out", f"{a}[0:2]", f"{a}[2:5]")
    with pytest.raises(RecipeError, match="does not have the layers"):
        stacked(tmp_path / "out", f"{a}[0:2]", f"{a}[2:2]")
    other = saved(tmp_path / "other", 0, rope_theta=5.0)
    with pytest.raises(MismatchError, match="differ in"):
        stacked(tmp_path / "out", a, other)
