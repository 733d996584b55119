"""Configurations and processors of strangers: each kind of nonsense is one of hubmerge's errors."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

from hubmerge.errors import (
    FamilyError,
    RemoteCodeError,
    WeightsError,
)
from hubmerge.hub.load import load
from hubmerge.planning.quick import quick_plan
from hubmerge.recipe import Recipe
from tests.helpers.hostile import planned, refused, rewrite
from tests.helpers.small_models import tiny_vit

MILLION = list(map(str, range(10**6)))
BOMBS: dict[str, dict[str, Any]] = {
    "a billion layers": {"num_hidden_layers": 10**9},
    "10^18 layers": {"num_hidden_layers": 10**18},
    "10^100 layers": {"num_hidden_layers": 10**100},
    "a wide model": {"hidden_size": 10**9},
    "a wider model": {"hidden_size": 10**15},
    "wide layers": {"intermediate_size": 10**12},
    "large images": {"image_size": 10**9},
    "large patches": {"patch_size": 10**9},
    "many channels": {"num_channels": 10**12},
    "many heads": {"num_attention_heads": 10**9},
    "a million labels": {"id2label": dict(zip(MILLION, MILLION, strict=True))},
    "labels by number": {"num_labels": 10**9, "id2label": None},
    "a long list": {"extra": [1] * 100_000},
    "layers within": {"text_config": {"num_hidden_layers": 10**9}},
    "depths": {"depths": [10**8]},
    "many depths": {"depths": [100] * 1000},
}
NONSENSE: dict[str, dict[str, Any]] = {
    "no layers": {"num_hidden_layers": -1},
    "layers text": {"num_hidden_layers": "many"},
    "layers null": {"num_hidden_layers": None},
    "no heads": {"num_attention_heads": 0},
    "heads that do not divide": {"num_attention_heads": 3},
    "no width": {"hidden_size": 0},
    "negative width": {"hidden_size": -16},
    "width a list": {"hidden_size": [16]},
    "width half": {"hidden_size": 16.5},
    "no patches": {"patch_size": 0},
    "activation unknown": {"hidden_act": "no-such"},
    "activation a number": {"hidden_act": 7},
    "eps text": {"layer_norm_eps": "small"},
    "architecture a number": {"architectures": [7]},
    "architectures text": {"architectures": "ViTForImageClassification"},
    "architectures a mapping": {"architectures": {"a": 1}},
    "architecture of another type": {"architectures": ["LlamaForCausalLM"]},
    "architecture no model": {"architectures": ["AutoConfig"]},
    "architecture unknown": {"architectures": ["\x1b[2J"]},
    "no architecture": {"architectures": None},
    "model type a list": {"model_type": ["vit"]},
    "model type unknown": {"model_type": "\x1b]0;x\x07"},
    "labels a list of lists": {"id2label": [[1]]},
    "labels text": {"id2label": "cat"},
    "labels by words": {"id2label": {"a": "cat"}},
    "labels with a gap": {"id2label": {"0": "cat", "1": "dog", "3": "eel"}},
    "labels from 1": {"id2label": {"1": "cat", "2": "dog", "3": "eel"}},
    "labels of two numbers": {
        "id2label": {"0": "cat", "1": "dog", "2": "eel"},
        "label2id": {"cat": 1, "dog": 0, "eel": 2},
    },
    "problem type misspelt": {"problem_type": "single_label_clasification"},
    "problem type empty": {"problem_type": ""},
    "labels null inside": {"id2label": {"0": None}},
    "labels nested": {"id2label": {"0": {"a": "b"}}},
    "auto_map a list": {"auto_map": ["x"]},
    "dtype unknown": {"dtype": "float7"},
    "a file of weights": {"transformers_weights": "../elsewhere.safetensors"},
    "a surrogate": {"hidden_act": "\ud800"},
}


@pytest.mark.parametrize("kind", BOMBS)
def test_configurations_that_ask_for_more_than_is_stored(model: Path, kind: str) -> None:
    rewrite(model, **BOMBS[kind])
    refused(lambda: planned(model), WeightsError)
    refused(lambda: load(str(model)), WeightsError)


@pytest.mark.parametrize("kind", NONSENSE)
def test_configurations_that_make_no_sense(model: Path, kind: str) -> None:
    rewrite(model, **NONSENSE[kind])
    kinds = (WeightsError, FamilyError, RemoteCodeError)
    error = refused(lambda: load(str(model)), *kinds)
    assert all(mark.isprintable() or mark == "\n" for mark in str(error))


@pytest.mark.parametrize(
    "changes",
    [
        {"num_hidden_layers": 10**9},
        {"vocab_size": 10**12},
        {"num_key_value_heads": 10**9},
        {"head_dim": 10**9},
        {"hidden_size": 2**40},
        {"intermediate_size": 2**40},
        {"layer_types": ["full_attention"] * 100_000},
        {"rope_parameters": {"rope_type": "none such"}},
        {"num_attention_heads": 0},
        {"vocab_size": -1},
        {"pad_token_id": 10**12},
    ],
    ids=str,
)
def test_language_models_of_that_kind(llama: Path, tmp_path: Path, changes: dict[str, Any]) -> None:
    folder = Path(shutil.copytree(llama, tmp_path / "llama"))
    rewrite(folder, **changes)
    refused(lambda: load(str(folder)), WeightsError)


CONTENTS: dict[str, bytes] = {
    "empty": b"",
    "no JSON": b"{",
    "a list": b"[]",
    "text": b'"x"',
    "no UTF-8": b'{"model_type": "\xff"}',
    "UTF-16": '{"model_type": "vit"}'.encode("utf-16"),
    "deep": b'{"a":' + b"[" * 3000 + b"]" * 3000 + b"}",
    "digits": b'{"a": ' + b"9" * 6000 + b"}",
    "surrogate": rb'{"a": "\ud800"}',
    "large": b'{"a": "' + b"x" * 9_000_000 + b'"}',
    "NUL": b'{"a": "\0"}',
}


@pytest.mark.parametrize("kind", CONTENTS)
@pytest.mark.parametrize("name", ["config.json", "preprocessor_config.json"])
def test_files_that_are_no_configuration(model: Path, name: str, kind: str) -> None:
    (model / name).write_bytes(CONTENTS[kind])
    refused(lambda: load(str(model)), WeightsError)
    recipe = Recipe(models=(str(model), str(model)))
    if name == "config.json" and kind not in ("a list", "text"):
        refused(lambda: quick_plan(recipe), FamilyError)
    else:
        quick_plan(recipe)


CODE: dict[str, dict[str, Any]] = {
    "auto_map": {"auto_map": {"AutoConfig": "own.Config"}},
    "auto_map within": {"text_config": {"auto_map": {"AutoModel": "own.Model"}}},
    "an attention kernel": {"_attn_implementation": "someone/attention"},
    "without underscore": {"attn_implementation": "someone/attention"},
    "with a revision": {"_attn_implementation": "someone/attention@main:forward"},
    "of a part": {"_attn_implementation": {"text_config": "someone/attention"}},
    "kept by transformers": {"_attn_implementation_internal": "someone/attention"},
    "within": {"backbone_config": {"_attn_implementation": "someone/attention"}},
    "experts": {"_experts_implementation": "someone/experts"},
    "an address": {"_attn_implementation": "https://a.example/x"},
}


@pytest.mark.parametrize("kind", CODE)
def test_foreign_code_is_remote_code(model: Path, kind: str) -> None:
    rewrite(model, **CODE[kind])
    refused(lambda: planned(model), RemoteCodeError)
    refused(lambda: load(str(model)), RemoteCodeError)


def test_a_kernel_of_the_machine_it_was_saved_on_is_no_code(model: Path) -> None:
    rewrite(model, _attn_implementation="flash_attention_2")
    assert load(str(model)).model.config._attn_implementation == "sdpa"


@pytest.mark.parametrize(
    "place", ["own.Config", "none", "a.b.c.D", "../own.Config", "other/repo--own.Config"]
)
def test_code_that_is_not_there(model: Path, place: str) -> None:
    rewrite(model, auto_map={"AutoModelForImageClassification": place, "AutoConfig": place})
    refused(lambda: load(str(model), trust_remote_code=True), WeightsError)
    rewrite(model, auto_map={"AutoModelForImageClassification": f"x.{tiny_vit.__name__}"})


def test_an_adapter_beside_weights_would_be_loaded_instead(model: Path) -> None:
    (model / "adapter_config.json").write_text('{"base_model_name_or_path": "me/other"}')
    refused(lambda: load(str(model)), WeightsError)


PROCESSORS: dict[str, dict[str, Any]] = {
    "std 0": {"image_std": 0},
    "std a 0 among others": {"image_std": [0.5, 0, 0.5]},
    "std negative": {"image_std": [-1, 1, 1]},
    "std tiny": {"image_std": [1e-30] * 3},
    "std NaN": {"image_std": [float("nan")] * 3},
    "std text": {"image_std": ["a", "b", "c"]},
    "std empty": {"image_std": []},
    "mean infinite": {"image_mean": [float("inf")] * 3},
    "mean enormous": {"image_mean": [1e30] * 3},
    "size -1": {"size": {"height": -1, "width": 8}},
    "size 0": {"size": {"height": 0, "width": 0}},
    "size enormous": {"size": {"height": 100_000, "width": 100_000}},
    "size text": {"size": "large"},
    "size fractions": {"size": {"height": 8.5, "width": 8}},
    "shortest edge -1": {"size": {"shortest_edge": -1}},
    "crop 0": {"do_center_crop": True, "crop_size": {"height": 0, "width": 8}},
    "resample unknown": {"resample": 99},
    "resample negative": {"resample": -1},
    "resample text": {"resample": "best"},
    "factor 0": {"rescale_factor": 0},
    "factor NaN": {"rescale_factor": float("nan")},
    "factor negative": {"rescale_factor": -0.1},
    "kind unknown": {"image_processor_type": "NoSuchProcessor"},
    "kind a list": {"image_processor_type": ["a"]},
}


@pytest.mark.parametrize("kind", PROCESSORS)
def test_processors_that_make_no_sense(model: Path, kind: str) -> None:
    rewrite(model, "preprocessor_config.json", **PROCESSORS[kind])
    refused(lambda: planned(model), WeightsError)
