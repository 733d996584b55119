"""What a merge is stored as: dtype and files, streamed or not."""

from __future__ import annotations

import json

import pytest
import torch
from safetensors import safe_open
from transformers import AutoModelForCausalLM

import hubmerge as hm
from hubmerge.errors import RecipeError
from tests.helpers.mergekit_yamls import CONFIG, MODELS, place, read, tensors_in

MOST = 400


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("models")
    place(read(), folder)
    return folder


@pytest.mark.parametrize(
    "match",
    [
        pytest.param("none", id="streamed"),
        pytest.param("weights", id="in memory", marks=pytest.mark.slow),
    ],
)
def test_dtype_and_size_of_files_are_what_was_asked_for(match, folder):
    recipe = hm.Recipe(
        models=tuple(str(folder / name) for name in MODELS[1:3]),
        match=match,
        repair="none",
        dtype="bfloat16",
        max_shard_size=str(MOST),
    )
    result = hm.run(recipe, out=folder / f"of-{match}")
    tensors = tensors_in(result.folder)
    assert {value.dtype for value in tensors.values()} == {torch.bfloat16}
    files = sorted(result.folder.glob("*.safetensors"))
    index = json.loads((result.folder / "model.safetensors.index.json").read_text())
    assert {path.name for path in files} >= {*index["weight_map"].values()}
    assert len(files) > 2
    for path in files:
        if path.name not in index["weight_map"].values():
            continue
        with safe_open(path, "pt") as opened:
            held = {name: opened.get_tensor(name) for name in opened.keys()}  # noqa: SIM118
        assert sum(value.nbytes for value in held.values()) <= MOST or len(held) == 1
    loaded = AutoModelForCausalLM.from_pretrained(result.folder)
    assert loaded.dtype == torch.bfloat16
    assert loaded.config.num_hidden_layers == CONFIG.num_hidden_layers
    assert result.report.merged.dtype == "bfloat16"
    if match == "none":
        a, b = (read()[name] for name in MODELS[1:3])
        for name, value in tensors.items():
            assert torch.equal(value, ((a[name].double() + b[name].double()) / 2).bfloat16())


@pytest.mark.parametrize("size", ["5gb", "0", "-1GB", "1e9", "GB", ""])
def test_sizes_that_are_none_are_refused(size):
    with pytest.raises(RecipeError):
        hm.Recipe(models=("a/a", "b/b"), max_shard_size=size)
