"""Quantised parents are merged as what transformers dequantises them to."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor
from transformers import (
    AutoModelForCausalLM,
    FineGrainedFP8Config,
    GptOssConfig,
    GptOssForCausalLM,
    LlamaConfig,
    LlamaForCausalLM,
    Mxfp4Config,
)
from typer.testing import CliRunner

import hubmerge as hm
from hubmerge.cli import app
from hubmerge.errors import WeightsError
from hubmerge.pipeline.plan import plan
from hubmerge.recipe import make_recipe

SIZES = {
    "vocab_size": 16,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
    "num_key_value_heads": 1,
    "dtype": "bfloat16",
}
SCALES = "scales.safetensors"
Quantise = Callable[[str, Tensor], dict[str, Tensor]]


def by_fp8(name: str, value: Tensor) -> dict[str, Tensor]:
    """Blocks of 16 x 16, which cut the last one short where there is no multiple of 16."""
    if "proj" not in name:
        return {name: value}
    rows, columns = value.shape
    scales = torch.rand(-(-rows // 16), -(-columns // 16)) / 100
    return {name: value.to(torch.float8_e4m3fn), f"{name}_scale_inv": scales}


def by_mxfp4(name: str, value: Tensor) -> dict[str, Tensor]:
    """Random digits: what they stand for is what is looked at."""
    if not name.endswith("_proj"):
        return {name: value}
    experts, inputs, outputs = value.shape
    blocks = torch.randint(256, (experts, outputs, inputs // 32, 16), dtype=torch.uint8)
    scales = torch.randint(115, 123, (experts, outputs, inputs // 32), dtype=torch.uint8)
    return {f"{name}_blocks": blocks, f"{name}_scales": scales}


def quantised(folder: Path, model: Any, quantise: Quantise, said: dict[str, Any]) -> Path:
    """The model, quantised, in two files: scales may lie in another than what they scale."""
    model.to(torch.bfloat16).save_pretrained(folder)
    stored: dict[str, Tensor] = {}
    for name, value in load_file(folder / "model.safetensors").items():
        stored |= quantise(name, value)
    (folder / "model.safetensors").unlink()
    file_of = {name: SCALES if "scale" in name else "weights.safetensors" for name in stored}
    for file in {*file_of.values()}:
        held = {name: each for name, each in stored.items() if file_of[name] == file}
        save_file(held, folder / file, {"format": "pt"})
    index = {"metadata": {}, "weight_map": file_of}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))
    fields = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**fields, "quantization_config": said}))
    return folder


def llama(folder: Path, seed: int, hidden: int = 16) -> Path:
    torch.manual_seed(seed)
    model = LlamaForCausalLM(LlamaConfig(hidden_size=hidden, intermediate_size=2 * hidden, **SIZES))
    said = {"quant_method": "fp8", "activation_scheme": "dynamic", "weight_block_size": [16, 16]}
    return quantised(folder, model, by_fp8, said)


def gpt_oss(folder: Path, seed: int) -> Path:
    torch.manual_seed(seed)
    sizes = {"hidden_size": 64, "intermediate_size": 32, "head_dim": 16, "num_local_experts": 2}
    model = GptOssForCausalLM(GptOssConfig(num_experts_per_tok=1, **sizes, **SIZES))
    return quantised(folder, model, by_mxfp4, {"quant_method": "mxfp4"})


@pytest.mark.parametrize(
    ("write", "by"), [(llama, FineGrainedFP8Config), (gpt_oss, Mxfp4Config)], ids=["fp8", "mxfp4"]
)
def test_merges_are_those_of_what_transformers_makes_of_them(
    write: Callable[[Path, int], Path], by: type[Any], tmp_path: Path
) -> None:
    a, b = (write(tmp_path / name, seed) for seed, name in enumerate("ab"))
    whole = AutoModelForCausalLM.from_pretrained(
        b, quantization_config=by(dequantize=True), dtype=torch.bfloat16
    )
    given = {"models": (str(a), str(b)), "match": "none", "lam": 1.0}
    recipe = make_recipe(**given, dequantize=True)
    assert plan(recipe).models[1].dtype == "bfloat16"
    made = hm.run(recipe, out=tmp_path / "out")
    assert json.loads((made.folder / "config.json").read_text()).get("quantization_config") is None
    found = AutoModelForCausalLM.from_pretrained(made.folder).state_dict()
    wanted = whole.state_dict()
    assert found.keys() == wanted.keys()
    for name, value in wanted.items():
        assert torch.equal(found[name], value), name
    assert [each.quantised for each in made.report.models] == [recipe_method(a)] * 2
    said = f"stored in {recipe_method(a)}, dequantised"
    assert said in (made.folder / "README.md").read_text()
    with pytest.raises(WeightsError, match="is quantised") as refused:
        plan(make_recipe(**given))
    assert "dequantize" in (refused.value.hint or "")


def test_matching_takes_what_it_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    a, b = (str(llama(tmp_path / name, seed)) for seed, name in enumerate("ab"))
    monkeypatch.chdir(tmp_path)
    words = ["match", a, b, "--match", "weights", "--symmetry", "permutations", "--json"]
    refused = CliRunner().invoke(app, words)
    assert "dequantize" in (refused.exception.hint or "")
    found = CliRunner().invoke(app, [*words, "--dequantize"])
    assert json.loads(found.stdout)["spaces"]
    assert {path.name for path in tmp_path.iterdir()} == {"a", "b"}


def recipe_method(folder: Path) -> str:
    fields = json.loads((folder / "config.json").read_text())
    return str(fields["quantization_config"]["quant_method"])


def test_a_quantised_model_merges_with_a_whole_one(tmp_path: Path) -> None:
    a = llama(tmp_path / "a", 0, hidden=24)  # whose last blocks are half of one
    torch.manual_seed(1)
    LlamaForCausalLM(LlamaConfig(hidden_size=24, intermediate_size=48, **SIZES)).save_pretrained(
        tmp_path / "b"
    )
    given = {"models": (str(a), str(tmp_path / "b")), "match": "none", "lam": 0.0}
    made = hm.run(make_recipe(**given, dequantize=True), out=tmp_path / "out")
    assert [each.quantised for each in made.report.models] == ["fp8", None]
    stored = {**load_file(a / "weights.safetensors"), **load_file(a / SCALES)}
    name = "model.layers.0.mlp.up_proj.weight"  # 48 x 24
    scales = stored[f"{name}_scale_inv"].repeat_interleave(16, 0).repeat_interleave(16, 1)
    found = hm.load(str(made.folder)).model.state_dict()[name]
    assert torch.equal(found, (stored[name].float() * scales[:, :24]).bfloat16().float())


def spoiled(folder: Path, change: Callable[[dict[str, Tensor]], None]) -> None:
    stored = load_file(folder / SCALES)
    change(stored)
    save_file(stored, folder / SCALES, {"format": "pt"})


def test_what_does_not_fit_together_is_refused_by_name(tmp_path: Path) -> None:
    a, b = llama(tmp_path / "a", 0), llama(tmp_path / "b", 1)
    recipe = make_recipe(models=(str(a), str(b)), match="none", dequantize=True)
    name = "model.layers.0.mlp.up_proj.weight_scale_inv"
    spoiled(b, lambda stored: stored.update({name: torch.ones(3, 1)}))
    with pytest.raises(WeightsError, match=r"up_proj.weight") as refused:
        plan(recipe)
    assert "[3, 1] scales for [32, 16] in blocks of (16, 16)" in str(refused.value)
    fields = json.loads((b / "config.json").read_text())
    fields["quantization_config"] = {"quant_method": "awq"}
    (b / "config.json").write_text(json.dumps(fields))
    with pytest.raises(WeightsError, match="is quantised"):
        plan(recipe)
