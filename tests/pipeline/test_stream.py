"""A merge made tensor by tensor leaves the very files of one made of whole models."""

import json
from pathlib import Path

import pytest
import torch
from transformers import PreTrainedModel

from hubmerge.hub.destination import Destination
from hubmerge.models import shaken
from hubmerge.pipeline import load, run
from hubmerge.recipe import Recipe, make_recipe
from tests.helpers.tiny import TINY

NAMES = ["gpt2", "llama-tied-bias", "vit", "mlp_head-layer"]


def parent(name: str, folder: Path, seed: int, dtype: torch.dtype, **saved: str) -> Path:
    torch.manual_seed(seed)
    model: PreTrainedModel = shaken(TINY[name].build(), seed).to(dtype)
    names = {index: f"class {index}" for index in range(model.config.num_labels)}
    model.config.id2label, model.config.label2id = names, {n: i for i, n in names.items()}
    model.save_pretrained(folder, **saved)
    (folder / "README.md").write_text("---\nlicense: mit\n---\n")
    return folder


def merged(recipe: Recipe, out: Path) -> dict[str, bytes]:
    """Every file of the merge but the card; of the report all but when and how long."""
    run.run(recipe, Destination(out=out))
    files = {path.name: path.read_bytes() for path in out.iterdir()}
    report = json.loads(files.pop("report.json"))
    del report["run"], files["README.md"]
    return {**files, "report": json.dumps(report).encode()}


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(
    ("fuse", "options"),
    [("average", {"lam": 0.3}), ("ties", {}), ("swa", {})],
    ids=["average", "ties", "swa"],
)
def test_files_are_those_of_whole_models(
    name: str, fuse: str, options: dict[str, float], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    a, b, base = (parent(name, tmp_path / f"p{seed}", seed, torch.bfloat16) for seed in range(3))
    given = {"base": str(base)} if fuse == "ties" else {}
    recipe = make_recipe(
        models=(str(a), str(b)), match="none", repair="none", fuse=fuse, **given, **options
    )
    streamed = merged(recipe, tmp_path / "streamed")
    monkeypatch.setattr(load, "outlines", lambda run: None)
    whole = merged(recipe, tmp_path / "whole")
    assert streamed.keys() == whole.keys()
    for file, content in streamed.items():
        assert content == whole[file], file


def test_what_is_streamed_is_not_loaded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    a, b = (parent("llama", tmp_path / f"p{seed}", seed, torch.float16) for seed in range(2))

    def refuse(*given: object) -> None:
        raise AssertionError("a whole model was loaded")

    monkeypatch.setattr(load, "load_source", refuse)
    recipe = make_recipe(models=(str(a), str(b)), match="none")
    assert run.run(recipe, Destination(out=tmp_path / "out")).report.merged.dtype == "float16"


def test_shards_are_those_of_parent_a(tmp_path: Path) -> None:
    a, b = (
        parent("llama", tmp_path / f"p{seed}", seed, torch.float16, max_shard_size=f"{3 + seed}KB")
        for seed in range(2)
    )
    recipe = make_recipe(models=(str(a), str(b)), match="none")
    report = run.run(recipe, Destination(out=tmp_path / "out")).report
    index = "model.safetensors.index.json"
    written, given = (json.loads((folder / index).read_text()) for folder in (tmp_path / "out", a))
    assert written["weight_map"] == given["weight_map"]
    assert written["metadata"]["total_size"] == given["metadata"]["total_size"]
    assert {*report.weights_sha256} == {path.name for path in a.glob("*.safetensors")}
    assert len(report.weights_sha256) > 1


@pytest.mark.parametrize("name", ["llama", "gpt2", "llama-tied-bias"])
@pytest.mark.parametrize("fuse", ["average", "slerp"])
def test_files_matched_on_disk_are_those_of_models_matched_in_memory(
    name: str, fuse: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    a, b = (parent(name, tmp_path / f"p{seed}", seed, torch.bfloat16) for seed in range(2))
    given = {"match": "weights", "symmetry": "permutations", "repair": "none", "fuse": fuse}
    recipe = make_recipe(models=(str(a), str(b)), **given)
    with monkeypatch.context() as patched:
        patched.setattr(load, "load_source", None)  # nothing is loaded
        streamed = merged(recipe, tmp_path / "streamed")
    monkeypatch.setattr(load, "outlines", lambda run: None)
    whole = merged(recipe, tmp_path / "whole")
    assert "alignment.safetensors" in whole
    assert streamed.keys() == whole.keys()
    for file, content in streamed.items():
        assert content == whole[file], file
