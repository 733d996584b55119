"""What is no transformers checkpoint is called what it is, with advice that can be pasted."""

from __future__ import annotations

import json
import shlex
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import LlamaConfig, LlamaForCausalLM
from transformers.utils import is_timm_available

from hubmerge.errors import FamilyError, HubmergeError, NotFoundError, RecipeError, WeightsError
from hubmerge.hub.load import load
from hubmerge.hub.source import resolve
from hubmerge.localhub import EmbeddedHub
from tests.helpers import texts
from tests.helpers.small_models import push, save, tiny_vit

POINTER = f"version https://git-lfs.github.com/spec/v1\noid sha256:{'0' * 64}\nsize 12345\n"


def refused(ref: object) -> HubmergeError:
    with pytest.raises(HubmergeError) as error:
        load(str(ref))
    return error.value


def adapter(folder: Path, **fields: Any) -> Path:
    folder.mkdir(exist_ok=True)
    said = {"peft_type": "LORA", "base_model_name_or_path": "org/base", "task_type": "CAUSAL_LM"}
    (folder / "adapter_config.json").write_text(json.dumps(said | fields))
    (folder / "adapter_model.safetensors").write_bytes(b"")
    return folder


def pasted(error: HubmergeError) -> str:
    """The Python of the command among the advice, which must at least be Python."""
    (line,) = (line for line in (error.hint or "").splitlines() if line.startswith("python -c"))
    code = shlex.split(line)[-1]
    compile(code, "advice", "exec")
    return code


@pytest.mark.parametrize("on_the_hub", [False, True])
def test_an_adapter(on_the_hub: bool, hub: EmbeddedHub, tmp_path: Path) -> None:
    folder = adapter(tmp_path / "adapter")
    ref = push(hub, "formats/adapter", folder) if on_the_hub else str(folder)
    error = refused(ref)
    assert isinstance(error, WeightsError)
    assert "is an adapter" in error.what
    assert error.found == "LORA for org/base"
    assert f'AutoPeftModelForCausalLM.from_pretrained("{ref}").merge_and_unload()' in pasted(error)


def test_an_fp8_model_becomes_a_whole_one_by_the_command_that_is_advised(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "small"
    torch.manual_seed(0)
    sizes = {"hidden_size": 16, "intermediate_size": 16, "num_attention_heads": 2}
    config = LlamaConfig(vocab_size=16, num_key_value_heads=2, num_hidden_layers=1, **sizes)
    LlamaForCausalLM(config).to(torch.bfloat16).save_pretrained(folder)
    state, stored = load_file(folder / "model.safetensors"), {}
    for name, value in state.items():
        scale = value.float().abs().amax().view(1, 1) / 448
        quantised = (value.float() / scale).to(torch.float8_e4m3fn)
        projection = {name: quantised, f"{name}_scale_inv": scale}
        stored |= projection if "proj" in name else {name: value}
    save_file(stored, folder / "model.safetensors", {"format": "pt"})
    fields = json.loads((folder / "config.json").read_text())
    said = {"quant_method": "fp8", "activation_scheme": "dynamic", "weight_block_size": [16, 16]}
    (folder / "config.json").write_text(json.dumps({**fields, "quantization_config": said}))
    monkeypatch.chdir(tmp_path)
    error = refused("./small")
    assert (error.what, error.found) == ("./small is quantised", "quant_method 'fp8'")
    exec(pasted(error), {})
    found = load("./small-dequantised")
    assert found.dtype == torch.bfloat16
    for name, value in found.model.state_dict().items():
        torch.testing.assert_close(value, state[name].float(), rtol=2**-3, atol=1e-3)


def test_another_quantised_model_is_refused_without_a_command(tmp_path: Path) -> None:
    folder = save(tmp_path / "other", tiny_vit())
    fields = json.loads((folder / "config.json").read_text())
    for said in ({"quant_method": "awq"}, {"quant_method": ["fp8"]}, "fp8"):
        (folder / "config.json").write_text(json.dumps({**fields, "quantization_config": said}))
        assert refused(folder).hint == "merge the models it was made from"


def test_an_adapter_beside_a_configuration_of_its_base(tmp_path: Path) -> None:
    folder = adapter(save(tmp_path / "both", tiny_vit()), task_type=None)
    (folder / "model.safetensors").unlink()
    assert "AutoPeftModel.from_pretrained" in pasted(refused(folder))


def test_a_timm_model(tmp_path: Path) -> None:
    folder = save(tmp_path / "timm", tiny_vit())
    fields = {"architecture": "resnet18", "num_classes": 10, "pretrained_cfg": {}}
    (folder / "config.json").write_text(json.dumps(fields))
    error = refused(folder)
    assert isinstance(error, FamilyError)
    assert "is a timm model" in error.what
    assert "'resnet18'" in (error.found or "")
    assert "AutoModelForImageClassification" in pasted(error)


@pytest.mark.skipif(is_timm_available(), reason="timm is installed")
def test_a_timm_model_in_transformers_wrapper_takes_timm(tmp_path: Path) -> None:
    folder = save(tmp_path / "wrapped", tiny_vit())
    fields = {"model_type": "timm_wrapper", "architecture": "resnet18", "num_classes": 10}
    (folder / "config.json").write_text(json.dumps(fields))
    error = refused(folder)
    assert isinstance(error, FamilyError)
    assert "'resnet18', in transformers' wrapper" in error.what
    assert error.hint == "pip install 'hubmerge[timm]'"


@pytest.mark.parametrize(
    ("file", "said"),
    [
        ("model.gguf", "GGUF"),
        ("model.onnx", "ONNX"),
        ("model_index.json", "diffusers"),
        ("data.parquet", "data set"),
        ("train/cat/1.png", "data set"),
    ],
)
def test_other_formats(file: str, said: str, tmp_path: Path) -> None:
    path = tmp_path / "other" / file
    path.parent.mkdir(parents=True)
    path.write_bytes(b"")
    error = refused(tmp_path / "other")
    assert said in error.what
    assert path.name in (error.found or "")


def test_a_folder_of_the_hubs_cache(tmp_path: Path) -> None:
    whole = tmp_path / "models--me--cats"
    commit = whole / "snapshots" / ("a" * 40)
    save(commit, tiny_vit())
    error = refused(whole)
    assert "the Hub's cache" in error.what
    assert error.hint == f"give {commit}, or the id me/cats"


def test_pickled_weights_are_converted_by_the_class_they_name(tmp_path: Path) -> None:
    folder = save(tmp_path / "pickled", tiny_vit())
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")
    assert f'ViTForImageClassification.from_pretrained("{folder}")' in pasted(refused(folder))


@pytest.mark.parametrize(
    "file",
    ["model.safetensors", "config.json", "tokenizer.json", "tokenizer_config.json"],
)
def test_a_pointer_of_git_lfs(file: str, tmp_path: Path) -> None:
    folder = texts.saved(texts.gpt2(), tmp_path / "pointer")
    (folder / file).write_text(POINTER)
    error = refused(folder)
    assert f"{file} is a git-lfs pointer" in error.what
    assert "git lfs pull" in (error.hint or "")


def test_a_data_set_s_id_given_as_a_model(hub: EmbeddedHub, tmp_path: Path) -> None:
    (tmp_path / "test.csv").write_text("a\n1\n")
    push(hub, "formats/data", tmp_path, repo_type="dataset")
    with pytest.raises(NotFoundError, match="formats/data is a data set, not a model"):
        resolve("formats/data")


def test_a_model_given_as_a_data_set(hub: EmbeddedHub, tmp_path: Path) -> None:
    folder = save(tmp_path / "model", tiny_vit())
    push(hub, "formats/model", folder)
    for ref in ("formats/model", str(folder)):
        with pytest.raises(NotFoundError, match="is a model, not a data set"):
            resolve(ref, "dataset")


@pytest.mark.parametrize("kind", ["model", "dataset"])
def test_a_file_where_a_folder_is_expected(
    kind: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "left").mkdir()
    (tmp_path / "left" / "one.bin").write_text("")
    monkeypatch.chdir(tmp_path)
    for ref in ("left/one.bin", "./left/one.bin"):
        with pytest.raises(NotFoundError, match=r"is a file(.|\n)*lies in: ./left(, or |$)"):
            resolve(ref, kind)


@pytest.mark.parametrize("ref", ["x" * 400, "me/" + "x" * 400, "me/x@" + "/" * 400])
def test_a_long_name_is_not_echoed(ref: str) -> None:
    with pytest.raises(RecipeError) as error:
        resolve(ref)
    assert len(str(error.value)) < 400


@pytest.mark.parametrize(
    "name", ["weights.safetensors", "model.fp16.safetensors", "unet/x.safetensors"]
)
def test_weights_that_transformers_would_not_find_are_named(name: str, tmp_path: Path) -> None:
    folder = save(tmp_path / "model", tiny_vit())
    (folder / name).parent.mkdir(exist_ok=True)
    (folder / "model.safetensors").rename(folder / name)
    with pytest.raises(WeightsError, match=f"but {name}"):
        load(str(folder))
