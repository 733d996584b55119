"""Recipes that are written for mergekit."""

from __future__ import annotations

import json

import pytest
import torch

import hubmerge as hm
from hubmerge.errors import HubmergeError, RecipeError
from hubmerge.fuse import Given, find_fusion
from hubmerge.recipe import read_recipe, recipe_from
from tests.helpers.mergekit_yamls import YAMLS, place, read, tensors_in


@pytest.fixture(scope="module")
def recorded():
    return read()


@pytest.fixture(scope="module")
def folder(recorded, tmp_path_factory):
    folder = tmp_path_factory.mktemp("models") / "here"
    place(recorded, folder)
    return folder


def assert_equal(found, wanted):
    assert found.keys() == wanted.keys()
    for tensor, value in wanted.items():
        assert found[tensor].dtype == value.dtype
        step = 2**-8 if value.dtype == torch.bfloat16 else 2e-6
        torch.testing.assert_close(found[tensor], value, rtol=step, atol=step / 4, msg=tensor)


@pytest.mark.parametrize("name", YAMLS)
def test_a_yaml_is_translated_into_what_mergekit_makes_of_it(name, recorded):
    recipe = recipe_from(YAMLS[name])
    states = [recorded[ref.removeprefix("./").partition("[")[0]] for ref in recipe.models]
    base = recorded["base"] if recipe.base else None
    weights = recipe.mixture or [1 - recipe.first_lambda, recipe.first_lambda]
    given = Given(base=base, options=recipe.fuse_options)
    found = find_fusion(recipe.fuse).of_one_tensor(states, weights, given).state
    dtype = getattr(torch, recipe.dtype)
    assert_equal({n: v.to(dtype) for n, v in found.items()}, recorded[name])


@pytest.mark.parametrize("name", ["weights", "per-model"])
def test_a_whole_merge_is_written_so_and_can_be_made_again(name, folder, recorded):
    file = folder / f"{name}.yml"
    file.write_text(YAMLS[name])
    result = hm.run(read_recipe(file), out=folder / f"of-{name}")
    assert_equal(tensors_in(result.folder), recorded[name])
    config = json.loads((result.folder / "config.json").read_text())
    assert config["dtype"] == ("bfloat16" if name == "weights" else "float32")
    text = (result.folder / "hubmerge.yaml").read_text()
    written, again = recipe_from(text), read_recipe(file)
    assert written.fuse_options == again.fuse_options
    assert written.weights == pytest.approx(again.weights)


TWO = "models: [{model: ORG/a, parameters: {weight: 1}}, {model: ORG/b, parameters: {weight: 1}}]"
LINEAR = f"merge_method: linear\n{TWO}\n"
SLICE = "merge_method: linear\nslices:\n- sources:\n  - {model: a, layer_range: [0, 2]}\n"
STACK = SLICE.replace("linear", "passthrough")
STACK_MORE = "- sources:\n  - model: b\n    layer_range: [1, 3]\n"
TIES = f"merge_method: ties\nbase_model: ORG/base\n{TWO}\n"


def test_slices_are_models_with_some_of_their_layers():
    recipe = recipe_from(STACK + STACK_MORE + "    parameters: {scale: [{filter: mlp, value: .5}]}")
    assert (recipe.models, recipe.fuse) == (("a[0:2]", "b[1:3]"), "passthrough")
    assert recipe.fuse_options == {"scale/B@mlp": 0.5}
    text = LINEAR.replace("linear", "ties") + "base_model: ORG/base+ORG/lora\n"
    assert recipe_from(text).base == "ORG/base+ORG/lora"


def test_vocabulary_and_chat_template_are_those_of_a_recipe():
    text = (
        TIES
        + """
tokenizer:
  source: union
  tokens:
    <x>: {source: ORG/b, force: true}
    <y>: {source: {kind: model_token, model: ORG/base, token_id: 3}}
    <z>: {source: {kind: zero}}
chat_template: auto
"""
    )
    recipe = recipe_from(text)
    assert (recipe.tokenizer, recipe.chat_template) == ("union", "auto")
    assert {
        token: row.model_dump(exclude_defaults=True) for token, row in recipe.tokens.items()
    } == {
        "<x>": {"of": "B", "force": True},
        "<y>": {"of": "base", "token_id": 3},
        "<z>": {"of": "zero"},
    }
    assert recipe_from(recipe.to_yaml()) == recipe
    assert recipe_from(TIES + "tokenizer_source: base").tokenizer == "base"
    assert recipe_from(LINEAR + "tokenizer_source: ORG/b").tokenizer == "B"


def test_what_has_no_effect_is_taken_and_weights_are_the_recipes_own():
    recipe = recipe_from(LINEAR.replace("weight: 1}}]", "weight: 3}}]"))
    assert (recipe.models, recipe.fuse) == (("ORG/a", "ORG/b"), "average")
    assert recipe.first_lambda == 0.75
    assert (recipe.match, recipe.repair, recipe.fuse_options) == ("none", "none", {})
    assert recipe_from(TIES + "parameters: {int8_mask: true}\n").base == "ORG/base"


@pytest.mark.parametrize(
    ("text", "line", "said"),
    [
        (LINEAR.replace("linear", "liner"), 1, "did you mean 'linear'"),
        (LINEAR.replace("linear", "passthrough"), 2, "'weight' of passthrough"),
        (LINEAR + "chat_template: chatml\n", 3, "chatml"),
        (LINEAR + "tokenizer: {source: unoin}\n", 3, "unoin"),
        (LINEAR + "tokenizer: {source: union, pad_to_multiple_of: 8}\n", 3, "pad_to"),
        (LINEAR + "tokenizer:\n  source: ORG/a\n  tokens: {x: 1}\n", 5, "source, force"),
        (LINEAR + "tokenizer:\n  tokens: {x: {source: ORG/c}}\n", 4, "ORG/c"),
        (LINEAR + "tokenizer:\n  tokens: {x: {source: {kind: mean}}}\n", 4, "mean"),
        (LINEAR + "tokenizer_source: ORG/c\n", 3, "ORG/c"),
        (LINEAR + "tokenizer_source: base\n", 3, "base"),
        (LINEAR + "dtype: int8\n", 3, "int8"),
        (LINEAR + "parameters:\n  normalize: false\n", 4, "divides"),
        (LINEAR.replace("ORG/b", "ORG/a"), 2, "twice"),
        (LINEAR.replace("weight: 1}}]", "wieght: 1}}]"), 2, "did you mean 'weight'"),
        (TIES + "parameters:\n  rescale: true\n", 5, "rescale"),
        (TIES + "parameters:\n  densty: .5\n", 5, "did you mean 'density'"),
        (TIES + "parameters:\n  density: thick\n", 5, "thick"),
        (TIES.replace("base_model: ORG/base\n", ""), 1, "needs a base_model"),
        (TIES.replace("ties", "sce").replace("ORG/base", "ORG/a").replace(
            ", parameters: {weight: 1}", ""), 3, "two models are needed"),
        (TIES + "parameters:\n  density:\n  - filter: m.*p\n    value: 1\n", 6, "filter"),
        ("merge_method: slerp\nbase_model: ORG/a\nmodels: [{model: ORG/b}]", 1, "needs a t"),
        (f"merge_method: slerp\n{TWO}", 1, "base_model"),
        (STACK + STACK_MORE + "  parameters: {scle: 2}\n", 6, "did you mean 'scale'"),
        (STACK + STACK_MORE + "  base_model: a\n", 8, "no base of a slice"),
        (SLICE + STACK_MORE + "  residual_weight: .5\n", 8, "residual_weight"),
        (SLICE.replace("[0, 2]", "[2, 2]"), 4, "[2, 2]"),
        (SLICE.replace("[0, 2]", "[0]"), 4, "[0]"),
        (STACK + STACK_MORE.replace("layer_range: [1, 3]", "layers: 3"), 7, "layers"),
        (STACK.replace("[0, 2]}", "[0, 2], parameters: {scale: 2}}"), 1, "two models are needed"),
        ("merge_method: linear\nmodels: 3", 2, "list of models"),
        (LINEAR + "random_seed: soon\n", None, "random_seed"),
        (LINEAR + "parameters: {normalize: false}\n", None, "sum to 1"),
        (TIES.replace("{weight: 1", "{lambda: 2, weight: 1"), 3, "one for all models"),
        (TIES + "parameters:\n  gamma: .01\n", 5, "breadcrumbs, breadcrumbs_ties: without"),
    ],
)  # fmt: skip
def test_what_is_not_taken_is_refused_by_name_and_line(text, line, said):
    with pytest.raises(RecipeError, match=f"line {line}: " if line else "line") as error:
        recipe_from(text, "x.yml")
    assert said in str(error.value)


def test_a_mixture_of_experts_is_refused_as_what_it_is():
    text = "base_model: ORG/a\nexperts:\n- source_model: ORG/b\n  positive_prompts: [code]\n"
    with pytest.raises(RecipeError, match="mergekit-moe"):
        recipe_from(text, "x.yml")


def test_ways_of_writing_the_same_merge():
    plain = """
merge_method: ties
base_model: ORG/base
models:
- {model: ORG/a@v1, parameters: {weight: .5, density: .3}}
- {model: ORG/b+ORG/lora, parameters: {weight: .2, density: .3}}
"""
    other = """
merge_method: ties
base_model: {model: {path: ORG/base, revision: null}}
models:
- model: {model: {path: ORG/a, revision: v1}, lora: null}
  parameters: &shared {weight: .5, density: .3}  # as most models
- model: {model: ORG/b, lora: {path: ORG/lora}}
  parameters: {<<: *shared, weight: .2}
"""
    assert recipe_from(other) == recipe_from(plain)
    assert recipe_from(plain + "random_seed: 7\n").seed == 7
    stock = plain.replace("ties", "model_stock").replace(
        ", parameters: {weight: .5, density: .3}", ""
    )
    stock = stock.replace(", parameters: {weight: .2, density: .3}", "")
    assert recipe_from(stock + "parameters: {normalize: false}\n") == recipe_from(stock)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("merge_method: linear\nmodels: &m [*m]", "by reference"),
        ("merge_method: linear\nmodels: " + "[" * 50 + "]" * 50, "levels"),
        (LINEAR + "#" + "x" * 70_000, "bytes"),
        ("merge_method: !!python/name:os.system", "constructor"),
    ],
)
def test_it_is_read_like_the_text_of_a_stranger(text, said):
    with pytest.raises(RecipeError) as error:
        recipe_from(text)
    assert said in str(error.value)


def test_layers_that_a_model_does_not_have_are_refused(folder):
    file = folder / "five.yml"
    file.write_text(YAMLS["slice"].replace("[0, 4]", "[0, 5]"))
    with pytest.raises(HubmergeError, match="does not have the layers 0 to 4"):
        hm.run(read_recipe(file), out=folder / "five")
