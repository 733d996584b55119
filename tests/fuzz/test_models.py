"""Configurations and safetensors headers of strangers."""

from __future__ import annotations

import json
import shutil
import struct
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import strategies as st

from hubmerge.hub.load import load
from hubmerge.models import MlpHeadConfig, MlpHeadForClassification
from hubmerge.planning.quick import quick_plan
from hubmerge.recipe import Recipe
from tests.helpers.fuzzing import AMOUNTS, MANY_ONLY, changed, numbers, texts, try_out, values
from tests.helpers.small_models import ANIMALS, tiny_vit

WEIGHTS = "model.safetensors"
FIELDS = [
    "_attn_implementation",
    "_commit_hash",
    "architectures",
    "auto_map",
    "dtype",
    "id2label",
    "is_decoder",
    "label2id",
    "model_type",
    "num_labels",
    "problem_type",
    "pruned_heads",
    "quantization_config",
    "return_dict",
    "text_config",
    "tie_word_embeddings",
    "torch_dtype",
    "transformers_version",
    "use_cache",
]


def mlp(folder: Path) -> Path:
    torch.manual_seed(0)
    config = MlpHeadConfig(input_size=4, hidden_sizes=[4], id2label=ANIMALS)
    MlpHeadForClassification(config).save_pretrained(folder)
    return folder


def vit(folder: Path) -> Path:
    tiny_vit().save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return mlp(tmp_path_factory.mktemp("good"))


def tried(folder: Path, good: Path, strange: Path) -> None:
    """What plan and merge read of a parent first."""
    for work in (
        lambda: quick_plan(Recipe(models=(str(good), str(strange)))),
        lambda: load(str(strange)),
    ):
        try:
            work()
        finally:
            assert sorted(path.name for path in folder.iterdir()) == ["strange"]


@MANY_ONLY
@pytest.mark.parametrize("build", [mlp, vit])
def test_configurations(build: Any, good: Path, tmp_path: Path, amount: int) -> None:
    strange = build(tmp_path / "strange")
    path = strange / "config.json"
    fields = json.loads(path.read_text())

    def check(config: Any) -> None:
        path.write_text(json.dumps(config))
        tried(tmp_path, good, strange)

    try_out(check, changed(fields, FIELDS) | values, amount)


@AMOUNTS
def test_bytes_for_configurations(good: Path, tmp_path: Path, amount: int) -> None:
    strange = mlp(tmp_path / "strange")
    path = strange / "config.json"
    whole = path.read_bytes()
    some = st.binary(max_size=60) | st.sampled_from([b"[" * 100_000, b'{"a":' * 5000, b"\xff\xfe{"])
    place = st.integers(0, len(whole))

    def check(example: tuple[int, bytes, int]) -> None:
        start, inserted, end = example
        path.write_bytes(whole[:start] + inserted + whole[end:])
        tried(tmp_path, good, strange)

    try_out(check, st.tuples(place, some, place), amount)


entries = st.fixed_dictionaries(
    {},
    optional={
        "dtype": st.sampled_from(["F32", "F16", "BF16", "I64", "F8_E4M3", "BOOL", "X"]) | values,
        "shape": st.lists(numbers, max_size=4) | values,
        "data_offsets": st.lists(numbers, max_size=3) | values,
        "more": values,
    },
)


@AMOUNTS
def test_headers(good: Path, tmp_path: Path, amount: int) -> None:
    strange = mlp(tmp_path / "strange")
    path = strange / WEIGHTS
    whole = path.read_bytes()
    (length,) = struct.unpack("<Q", whole[:8])
    header, data = json.loads(whole[8 : 8 + length]), whole[8 + length :]
    names = st.sampled_from(list(header)) | texts

    def check(changes: dict[str, Any]) -> None:
        written = json.dumps({**header, **changes}).encode()
        path.write_bytes(struct.pack("<Q", len(written)) + written + data)
        tried(tmp_path, good, strange)

    try_out(check, st.dictionaries(names, entries | values, min_size=1, max_size=3), amount)


@MANY_ONLY
def test_bytes_for_weights(good: Path, tmp_path: Path, amount: int) -> None:
    strange = mlp(tmp_path / "strange")
    path = strange / WEIGHTS
    whole = path.read_bytes()
    lengths = st.sampled_from([0, 1, 8, 10**6, 2**31, 2**63, 2**64 - 1]) | st.integers(0, 5000)
    place = st.integers(0, len(whole))

    def check(example: tuple[int | None, int, bytes, int]) -> None:
        length, start, inserted, end = example
        content = whole[:start] + inserted + whole[end:]
        if length is not None:
            content = struct.pack("<Q", length) + content[8:]
        path.write_bytes(content)
        tried(tmp_path, good, strange)

    some = st.tuples(st.none() | lengths, place, st.binary(max_size=60), place)
    try_out(check, some, amount)


@MANY_ONLY
@pytest.mark.parametrize(
    "name", ["preprocessor_config.json", "generation_config.json", "model.safetensors.index.json"]
)
def test_files_beside_the_weights(name: str, good: Path, tmp_path: Path, amount: int) -> None:
    strange = vit(tmp_path / "strange")
    if name.endswith(".index.json"):
        (strange / WEIGHTS).rename(strange / "model-00001-of-00001.safetensors")
    fields = {
        "preprocessor_config.json": {
            "image_processor_type": "ViTImageProcessor",
            "size": {"height": 8, "width": 8},
            "image_mean": [0.5] * 3,
            "image_std": [0.5] * 3,
            "resample": 2,
        },
        "generation_config.json": {"max_length": 20, "do_sample": True},
        "model.safetensors.index.json": {
            "metadata": {"total_size": 1},
            "weight_map": {"vit.layernorm.weight": "model-00001-of-00001.safetensors"},
        },
    }[name]

    def check(content: Any) -> None:
        (strange / name).write_text(json.dumps(content))
        tried(tmp_path, good, strange)

    try_out(check, changed(fields, ["auto_map", "processor_class"]) | values, amount)
    shutil.rmtree(strange)
