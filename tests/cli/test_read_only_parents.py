"""Parents that may only be read, as the volumes of a job: nothing is written beside them."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import torch
from transformers import LlamaConfig, LlamaForCausalLM

from hubmerge.errors import TargetError
from hubmerge.localhub import EmbeddedHub
from tests.helpers.command_line import CommandLine, Mount


@pytest.fixture(scope="module")
def models(hub: EmbeddedHub, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Two tiny language models by their names at their commits, and where they lie."""
    shape = {"hidden_size": 8, "intermediate_size": 8, "num_hidden_layers": 1, "vocab_size": 8}
    heads = {"num_attention_heads": 2, "num_key_value_heads": 1}
    found, api = {}, hub.api()
    for seed, name in enumerate(("left", "right")):
        folder = tmp_path_factory.mktemp("models") / name
        torch.manual_seed(seed)
        LlamaForCausalLM(LlamaConfig(**shape, **heads)).save_pretrained(folder)
        (folder / "README.md").write_text("---\nlicense: apache-2.0\n---\n# A parent\n")
        api.create_repo(f"me/read-only-{name}", exist_ok=True)
        done = api.upload_folder(repo_id=f"me/read-only-{name}", folder_path=folder)
        found[f"me/read-only-{name}@{done.oid}"] = folder
    return found


@pytest.mark.parametrize("match", ["none", "weights"])
def test_parents_are_volumes_where_the_cache_looks(
    match: str, models: dict[str, Path], hubmerge: CommandLine, tmp_path: Path
) -> None:
    cache = tmp_path / "cache"
    for name, folder in models.items():
        id_, _, sha = name.partition("@")
        place = cache / f"models--{id_.replace('/', '--')}" / "snapshots" / sha
        shutil.copytree(folder, place)
    before = {path: path.stat().st_mtime_ns for path in cache.rglob("*")}
    environment, read_only = {"HF_HUB_CACHE": str(cache)}, Mount(cache, str(cache), "bind", "ro")
    words = ["merge", *models, "--match", match, "--repair", "none"]
    done = hubmerge(*words, "-o", tmp_path / "out", env=environment, mounts=(read_only,))
    done.succeeded()
    assert {path: path.stat().st_mtime_ns for path in cache.rglob("*")} == before
    hubmerge(*words, "-o", tmp_path / "plain").succeeded()
    one, other = ((tmp_path / n / "model.safetensors").read_bytes() for n in ("out", "plain"))
    assert one == other


def test_parents_are_folders_on_a_disk_that_is_read_only(
    models: dict[str, Path], hubmerge: CommandLine, tmp_path: Path
) -> None:
    mounts = tuple(Mount(each, str(each), "bind", "ro") for each in models.values())
    words = ["merge", *models.values(), "--match", "none"]
    hubmerge(*words, "-o", tmp_path / "out", mounts=mounts).succeeded()
    first = next(iter(models.values()))
    refused = hubmerge(*words, "-o", first / "out", mounts=mounts)
    refused.refused(TargetError, "cannot be written")
    assert not (first / "out").exists()
