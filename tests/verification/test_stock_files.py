"""The files that stock code loads are found as it finds them: tried with stock code itself."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from hubmerge.errors import WeightsError
from hubmerge.hub.layout import INDEX, WEIGHTS
from hubmerge.models import MlpHeadForClassification
from hubmerge.verification.stock_files import is_inert, loaded_weights
from tests.helpers.small_merges import write_mlp

SHARD, OTHER = "model-00001-of-00001.safetensors", "zz.safetensors"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Three versions of the same weights: all 1, all 2, all 3."""
    write_mlp(tmp_path, 0)
    tensors = load_file(tmp_path / WEIGHTS)
    for value, name in enumerate((WEIGHTS, SHARD, OTHER), start=1):
        same = {n: torch.full_like(t, value) for n, t in tensors.items()}
        save_file(same, tmp_path / name, {"format": "pt"})
    index = {"metadata": {}, "weight_map": dict.fromkeys(tensors, SHARD)}
    (tmp_path / INDEX).write_text(json.dumps(index))
    return tmp_path


def ours(folder: Path) -> list[str]:
    config = json.loads((folder / "config.json").read_text())
    names = [path.name for path in folder.iterdir()]
    return loaded_weights(names, config, lambda name: (folder / name).read_text())


def stock(folder: Path) -> int:
    """The value that all weights have."""
    model = MlpHeadForClassification.from_pretrained(folder)
    (value,) = {float(v) for p in model.parameters() for v in p.detach().flatten()}
    return int(value)


@pytest.mark.parametrize(
    ("without", "file", "value"),
    [((), WEIGHTS, 1), ((INDEX,), WEIGHTS, 1), ((WEIGHTS,), SHARD, 2)],
)
def test_what_is_chosen(folder: Path, without: tuple[str, ...], file: str, value: int) -> None:
    for name in without:
        (folder / name).unlink()
    assert ours(folder) == [file]
    assert stock(folder) == value


def test_a_file_that_the_configuration_names_goes_before_all(folder: Path) -> None:
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {"transformers_weights": OTHER}))
    assert stock(folder) == 3
    with pytest.raises(WeightsError, match="names the file of weights itself"):
        ours(folder)


def test_an_adapter_goes_before_the_weights(folder: Path) -> None:
    (folder / "adapter_config.json").write_text("{}")
    with pytest.raises(WeightsError, match="loads the base named there instead"):
        ours(folder)


@pytest.mark.parametrize(
    "text",
    ['{"weight_map": {"a": "x.safetensors", "a": "y.safetensors"}}', '{"weight_map": {}', "[" * 9],
)
def test_an_index_that_says_two_things_or_none(folder: Path, text: str) -> None:
    (folder / WEIGHTS).unlink()
    for name in "xy":
        (folder / f"{name}.safetensors").touch()
    (folder / INDEX).write_text(text)
    with pytest.raises(WeightsError):
        ours(folder)


@pytest.mark.parametrize(
    ("name", "inert"),
    [
        ("README.md", True),
        ("LICENSE", True),
        ("LICENSE.txt", True),
        ("notes/a.txt", True),
        ("model-Q4.gguf", True),
        ("onnx/model.onnx_data", True),
        ("vocab.txt", False),
        ("merges.txt", False),
        ("dict.txt", False),
        ("tokens.txt", False),
        ("config.json", False),
        ("model.fp16.safetensors", False),
        ("pytorch_model.bin", False),
        ("flax_model.msgpack", False),
        ("modeling.py", False),
        ("chat_template.jinja", False),
        ("spiece.model", False),
        ("no-ending", False),
    ],
)
def test_what_nothing_is_loaded_from(name: str, inert: bool) -> None:
    assert is_inert(name) is inert
