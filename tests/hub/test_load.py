"""What loads is whole, finite and float32; everything else is refused by the tensor's name."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import PreTrainedModel

from hubmerge.errors import FamilyError, NotFoundError, RemoteCodeError, WeightsError
from hubmerge.hub.describe import labels_of, load_config
from hubmerge.hub.load import load
from hubmerge.hub.source import resolve
from hubmerge.hub.weight_checks import SHOWN
from hubmerge.localhub import EmbeddedHub
from hubmerge.models import MlpHeadConfig, MlpHeadForClassification
from hubmerge.pipeline.save import write_model
from hubmerge.utils.in_memory import stored_model
from tests.helpers import texts
from tests.helpers.small_models import ANIMALS, push, save, tiny_resnet, tiny_vit


def tiny_mlp(seed: int = 0) -> PreTrainedModel:
    torch.manual_seed(seed)
    return MlpHeadForClassification(
        MlpHeadConfig(input_size=8, hidden_sizes=[16], norm="batch", id2label=ANIMALS)
    )


BUILDERS: list[Callable[[], PreTrainedModel]] = [tiny_vit, tiny_resnet, tiny_mlp]


def edit_weights(folder: Path, change: Callable[[dict[str, torch.Tensor]], Any]) -> Path:
    path = folder / "model.safetensors"
    tensors = load_file(path)
    change(tensors)
    save_file(tensors, path, {"format": "pt"})
    return folder


def edit_config(folder: Path, name: str = "config.json", **changes: Any) -> Path:
    fields = json.loads((folder / name).read_text())
    (folder / name).write_text(json.dumps(fields | changes))
    return folder


@pytest.mark.parametrize("build", BUILDERS)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16])
def test_what_was_saved_is_loaded(
    build: Callable[[], PreTrainedModel], dtype: torch.dtype, tmp_path: Path
) -> None:
    model = build().to(dtype)
    loaded = load(str(save(tmp_path / "a", model)))
    assert type(loaded.model) is type(model)
    assert loaded.dtype == dtype
    floating = {n for n, value in loaded.model.state_dict().items() if value.is_floating_point()}
    assert loaded.dtypes == dict.fromkeys(floating, dtype)
    assert not loaded.model.training
    assert loaded.id2label == ANIMALS
    state = loaded.model.state_dict()
    for name, tensor in model.state_dict().items():
        assert torch.equal(state[name].to(tensor.dtype), tensor)
        assert state[name].dtype in (torch.float32, torch.int64)


def test_from_the_hub_as_from_the_folder(hub: EmbeddedHub, tmp_path: Path) -> None:
    folder = save(tmp_path / "a", tiny_resnet())
    here, there = load(str(folder)), load(push(hub, "load/same", folder))
    assert len(there.source.sha) == 40
    assert there.processor.to_dict() == here.processor.to_dict()
    for name, tensor in here.model.state_dict().items():
        assert torch.equal(tensor, there.model.state_dict()[name])


def test_in_a_process_that_only_has_the_environment(hub: EmbeddedHub, tmp_path: Path) -> None:
    push(hub, "load/vit", save(tmp_path / "a", tiny_vit()))
    push(hub, "load/mlp", save(tmp_path / "b", tiny_mlp()))
    code = """
import hubmerge
from transformers import AutoModelForImageClassification
for ref in ("load/vit", "load/mlp"):
    mine = hubmerge.load(ref)
    theirs = AutoModelForImageClassification.from_pretrained(ref).state_dict()
    state = mine.model.state_dict()
    print(mine.source.sha, all(bool((state[name] == theirs[name]).all()) for name in theirs))
"""
    done = subprocess.run(
        [sys.executable, "-c", code],
        env=hub.environment(home=tmp_path / "process"),
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    expected = [resolve("load/vit").sha, "True", resolve("load/mlp").sha, "True"]
    assert done.stdout.split() == expected


def test_a_model_without_a_processor_has_none(tmp_path: Path) -> None:
    tiny_mlp().save_pretrained(tmp_path / "a")
    assert load(str(tmp_path / "a")).processor is None


@pytest.mark.parametrize("build", BUILDERS)
@pytest.mark.parametrize("name", ["classifier", "norm"])
def test_a_missing_key_is_named(
    build: Callable[[], PreTrainedModel], name: str, tmp_path: Path
) -> None:
    folder = save(tmp_path / "a", build())
    lost = next(key for key in sorted(load_file(folder / "model.safetensors")) if name in key)
    edit_weights(folder, lambda tensors: tensors.pop(lost))
    with pytest.raises(WeightsError, match="missing: ") as refused:
        load(str(folder))
    assert lost.rpartition(".")[2] in str(refused.value)


def test_an_unexpected_key_is_named(tmp_path: Path) -> None:
    folder = save(tmp_path / "a", tiny_vit())
    edit_weights(folder, lambda tensors: tensors.update({"extra.weight": torch.zeros(2)}))
    with pytest.raises(WeightsError, match=r"unexpected: extra\.weight"):
        load(str(folder))


def test_a_mis_shaped_key_is_named_with_both_shapes(tmp_path: Path) -> None:
    folder = save(tmp_path / "a", tiny_vit())
    edit_weights(folder, lambda t: t.update({"classifier.weight": torch.zeros(3, 17)}))
    with pytest.raises(WeightsError, match=r"classifier\.weight \[3, 17\].*\[3, 16\]"):
        load(str(folder))


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
@pytest.mark.parametrize("key", ["classifier.bias", "running_var"])
def test_weights_that_are_not_finite_are_named(value: float, key: str, tmp_path: Path) -> None:
    folder = save(tmp_path / "a", tiny_resnet())
    tensors = load_file(folder / "model.safetensors")
    name = (
        next(n for n in sorted(tensors) if key in n)
        if key == "running_var"
        else (next(n for n in tensors if n.startswith("classifier") and n.endswith("bias")))
    )
    edit_weights(folder, lambda t: t[name].view(-1)[0].fill_(value))
    with pytest.raises(WeightsError, match="NaN or infinite") as refused:
        load(str(folder))
    assert f"{name} (1 of " in str(refused.value)


def test_many_names_are_not_all_quoted(tmp_path: Path) -> None:
    folder = save(tmp_path / "a", tiny_vit())
    edit_weights(folder, lambda tensors: [t.fill_(float("nan")) for t in tensors.values()])
    count = len(load_file(folder / "model.safetensors"))
    with pytest.raises(WeightsError, match=f"and {count - SHOWN} more"):
        load(str(folder))


@pytest.mark.parametrize("file", ["config.json", "preprocessor_config.json"])
def test_remote_code_is_not_run_unless_asked(file: str, tmp_path: Path, hub: EmbeddedHub) -> None:
    mark = tmp_path / "ran"
    folder = save(tmp_path / "a", tiny_vit())
    (folder / "code.py").write_text(f"open({str(mark)!r}, 'w')\n")
    edit_config(folder, file, auto_map={"AutoConfig": "code.Config"})
    for ref in (str(folder), push(hub, f"load/code-{file[:3]}", folder)):
        with pytest.raises(RemoteCodeError, match="code of its own") as refused:
            load(ref)
        assert file in str(refused.value)
    assert not mark.exists()


def test_remote_code_runs_when_asked(
    hub: EmbeddedHub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from transformers import dynamic_module_utils

    monkeypatch.setattr(dynamic_module_utils, "HF_MODULES_CACHE", str(tmp_path / "modules"))
    monkeypatch.setattr(sys, "path", [*sys.path, str(tmp_path / "modules")])
    folder = save(tmp_path / "a", tiny_vit())
    (folder / "own.py").write_text(
        "from transformers import ViTConfig, ViTForImageClassification\n"
        "class OwnConfig(ViTConfig):\n    model_type = 'own'\n"
        "class OwnModel(ViTForImageClassification):\n    config_class = OwnConfig\n"
    )
    edit_config(
        folder,
        model_type="own",
        architectures=["OwnModel"],
        auto_map={"AutoConfig": "own.OwnConfig", "AutoModelForImageClassification": "own.OwnModel"},
    )
    ref = push(hub, "load/own", folder)
    with pytest.raises(RemoteCodeError):
        load(ref)
    loaded = load(ref, trust_remote_code=True)
    assert type(loaded.model).__name__ == "OwnModel"


def test_an_unknown_model_type_is_refused(tmp_path: Path) -> None:
    folder = edit_config(save(tmp_path / "a", tiny_vit()), model_type="no_such_model")
    with pytest.raises(FamilyError, match="no_such_model"):
        load_config(resolve(str(folder)))


def test_an_unknown_architecture_is_refused(tmp_path: Path) -> None:
    folder = edit_config(save(tmp_path / "a", tiny_vit()), architectures=["ViTForTeapots"])
    with pytest.raises(FamilyError, match="ViTForTeapots"):
        load(str(folder))


@pytest.mark.parametrize("text", ["{", "[]", '{"model_type": "vit", "hidden_size": "wide"}'])
def test_a_configuration_that_cannot_be_used(text: str, tmp_path: Path) -> None:
    folder = save(tmp_path / "a", tiny_vit())
    (folder / "config.json").write_text(text)
    with pytest.raises((WeightsError, FamilyError)):
        load(str(folder))


def test_a_quantised_model_is_refused(tmp_path: Path) -> None:
    folder = edit_config(save(tmp_path / "a", tiny_vit()), quantization_config={"bits": 4})
    with pytest.raises(WeightsError, match="quantised"):
        load(str(folder))


def test_a_repository_without_a_model(hub: EmbeddedHub, tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("nothing")
    with pytest.raises(NotFoundError, match=r"no config\.json") as refused:
        load(push(hub, "load/notes", tmp_path))
    assert "notes.txt" in str(refused.value)


def test_the_configuration_comes_without_the_weights(hub: EmbeddedHub, tmp_path: Path) -> None:
    source = resolve(push(hub, "load/config", save(tmp_path / "a", tiny_vit())))
    assert labels_of(load_config(source)) == ANIMALS
    assert not list((tmp_path / "home").rglob("*.safetensors"))


def test_the_dtype_of_each_tensor_whatever_it_is_called_on_disk(tmp_path: Path) -> None:
    """As on the Hub: without the model's prefix, norms wider than the rest."""
    folder = texts.saved(texts.gpt2(), tmp_path / "a")

    def rename(tensors: dict[str, torch.Tensor]) -> None:
        tensors.pop("lm_head.weight", None)
        for name in list(tensors):
            value = tensors.pop(name)
            tensors[name.removeprefix("transformer.")] = value if "ln_" in name else value.half()

    edit_weights(folder, rename)
    loaded = load(str(folder))
    assert loaded.dtype == torch.float16
    norms = {name for name in loaded.model.state_dict() if "ln_" in name}
    assert norms == {name for name, dtype in loaded.dtypes.items() if dtype == torch.float32}
    (tmp_path / "out").mkdir()
    write_model(tmp_path / "out", [loaded, loaded], loaded.model.state_dict())
    written = load_file(tmp_path / "out" / "model.safetensors")
    stored = load_file(folder / "model.safetensors")
    assert {n: v.dtype for n, v in written.items()} == {n: v.dtype for n, v in stored.items()}
    assert all(torch.equal(value, stored[name]) for name, value in written.items())


def test_counters_of_training_steps_may_be_missing(tmp_path: Path) -> None:
    folder = save(tmp_path / "a", tiny_resnet())
    edit_weights(folder, lambda t: [t.pop(n) for n in list(t) if n.endswith("num_batches_tracked")])
    state = load(str(folder)).model.state_dict()
    assert {int(v) for n, v in state.items() if n.endswith("num_batches_tracked")} == {0}


def test_a_negative_running_variance_is_named(tmp_path: Path) -> None:
    folder = save(tmp_path / "a", tiny_resnet())
    name = "resnet.embedder.embedder.normalization.running_var"
    edit_weights(folder, lambda tensors: tensors[name][2].fill_(-0.5))
    with pytest.raises(WeightsError, match=f"{name} .1 of 8, down to -0.5"):
        load(str(folder))


def test_a_model_without_values_is_refused() -> None:
    model = tiny_vit()
    model.classifier.to("meta")
    with pytest.raises(WeightsError, match=r"2 of \d+ tensors .* have no values"):
        stored_model(model)
