"""Downloads are whole, only what is needed, and survive a server that goes away."""

from __future__ import annotations

import json
import threading
import time
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from hubmerge.errors import AccessError, HubUnavailableError, WeightsError
from hubmerge.hub import client as hub_client
from hubmerge.hub.fetch import _download, download_bytes, fetch, needed_files
from hubmerge.hub.headers import weights_header
from hubmerge.hub.source import resolve
from hubmerge.localhub import EmbeddedHub, embedded_hub
from tests.helpers.small_models import push, save, tiny_vit


def test_a_token_of_other_letters_is_named_as_such(
    hub: EmbeddedHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_TOKEN", "hf_caf\u00e9")
    with pytest.raises(AccessError, match="the token") as refused:
        resolve("me/any")
    assert "caf" not in str(refused.value)


def cut(path: Path, bytes_: int) -> None:
    path.write_bytes(path.read_bytes()[:-bytes_])


def shard(folder: Path) -> Path:
    """Split model.safetensors in two shards with an index."""
    tensors = load_file(folder / "model.safetensors")
    names = sorted(tensors)
    parts = {
        "model-00001-of-00002.safetensors": names[::2],
        "model-00002-of-00002.safetensors": names[1::2],
    }
    for file, part in parts.items():
        save_file({name: tensors[name] for name in part}, folder / file, {"format": "pt"})
    weight_map = {name: file for file, part in parts.items() for name in part}
    (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": weight_map}))
    (folder / "model.safetensors").unlink()
    return folder


def test_only_what_is_needed_comes(hub: EmbeddedHub, tmp_path: Path) -> None:
    folder = save(tmp_path / "a", tiny_vit())
    (folder / "pytorch_model.bin").write_bytes(b"pickle" * 100)
    (folder / "checkpoint-1").mkdir()
    (folder / "checkpoint-1" / "model.safetensors").write_bytes(b"old")
    source = resolve(push(hub, "fetch/needed", folder))
    needed = needed_files(source)
    assert needed == ["config.json", "model.safetensors", "preprocessor_config.json"]
    assert download_bytes(source, needed) == sum((folder / n).stat().st_size for n in needed)
    fetched = fetch(source)
    assert sorted(path.name for path in fetched.rglob("*")) == needed
    assert (fetched / "model.safetensors").read_bytes() == (
        folder / "model.safetensors"
    ).read_bytes()
    assert download_bytes(source, needed) == 0


def test_the_pinned_commit_comes_even_if_the_repository_moved_on(
    hub: EmbeddedHub, tmp_path: Path
) -> None:
    folder = save(tmp_path / "a", tiny_vit())
    before = (folder / "model.safetensors").read_bytes()
    source = resolve(push(hub, "fetch/moved", folder))
    save(folder, tiny_vit(seed=1))
    hub.api().upload_folder(repo_id="fetch/moved", folder_path=folder)
    assert (fetch(source) / "model.safetensors").read_bytes() == before


def test_a_data_set_comes_whole(hub: EmbeddedHub, tmp_path: Path) -> None:
    (tmp_path / "d" / "data").mkdir(parents=True)
    (tmp_path / "d" / "data" / "train.csv").write_text("a,b\n1,2\n")
    (tmp_path / "d" / "README.md").write_text("---\nlicense: mit\n---\n# data")
    push(hub, "fetch/data", tmp_path / "d", repo_type="dataset")
    folder = fetch(resolve("fetch/data", "dataset"))
    assert (folder / "data" / "train.csv").read_text() == "a,b\n1,2\n"


def test_shards_come_together(hub: EmbeddedHub, tmp_path: Path) -> None:
    folder = save(tmp_path / "a", tiny_vit())
    whole = weights_header(resolve(str(folder)))
    source = resolve(push(hub, "fetch/shards", shard(folder)))
    assert weights_header(source).tensors == whole.tensors
    assert len(list(fetch(source).glob("*.safetensors"))) == 2


def test_a_missing_shard_is_named(hub: EmbeddedHub, tmp_path: Path) -> None:
    folder = shard(save(tmp_path / "a", tiny_vit()))
    (folder / "model-00002-of-00002.safetensors").unlink()
    source = resolve(push(hub, "fetch/missing-shard", folder))
    with pytest.raises(WeightsError, match="model-00002-of-00002"):
        fetch(source)
    with pytest.raises(WeightsError, match="model-00002-of-00002"):
        resolve(str(folder))


def test_an_index_cannot_name_a_file_elsewhere(tmp_path: Path) -> None:
    folder = shard(save(tmp_path / "a", tiny_vit()))
    index = {"weight_map": {"x": "../../secret.safetensors"}}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))
    with pytest.raises(WeightsError, match="outside"):
        resolve(str(folder))


@pytest.mark.parametrize("lost", [1, 4000, 100_000])
def test_truncated_weights_are_refused(hub: EmbeddedHub, tmp_path: Path, lost: int) -> None:
    folder = save(tmp_path / "a", tiny_vit(hidden_size=64, intermediate_size=128))
    cut(folder / "model.safetensors", lost)
    with pytest.raises(WeightsError, match="truncated"):
        fetch(resolve(str(folder)))
    source = resolve(push(hub, f"fetch/truncated-{lost}", folder))
    with pytest.raises(WeightsError, match="truncated"):
        fetch(source)


def test_truncation_shows_before_the_download(hub: EmbeddedHub, tmp_path: Path) -> None:
    folder = save(tmp_path / "a", tiny_vit(hidden_size=64, intermediate_size=128))
    cut(folder / "model.safetensors", 60_000)
    source = resolve(push(hub, "fetch/seen-early", folder))
    with pytest.raises(WeightsError, match="truncated"):
        weights_header(source)
    assert download_bytes(source, ["model.safetensors"]) > 0


@pytest.mark.parametrize(
    "content", [b"", b"12345", b"\x10\0\0\0\0\0\0\0not json at all!", b"x" * 99]
)
def test_what_is_no_safetensors_file_is_refused(tmp_path: Path, content: bytes) -> None:
    folder = save(tmp_path / "a", tiny_vit())
    (folder / "model.safetensors").write_bytes(content)
    with pytest.raises(WeightsError, match=r"model\.safetensors"):
        fetch(resolve(str(folder)))


def test_pickled_weights_are_refused_with_the_way_out(hub: EmbeddedHub, tmp_path: Path) -> None:
    folder = save(tmp_path / "a", tiny_vit())
    torch.save(load_file(folder / "model.safetensors"), folder / "pytorch_model.bin")
    (folder / "model.safetensors").unlink()
    source = resolve(push(hub, "fetch/pickle", folder))
    for refused in (lambda: fetch(source), lambda: resolve(str(folder))):
        with pytest.raises(WeightsError, match="no safetensors") as error:
            refused()
        assert "pytorch_model.bin" in str(error.value)
        assert "save_pretrained" in str(error.value)


def test_headers_by_range_are_those_of_the_file(hub: EmbeddedHub, tmp_path: Path) -> None:
    folder = save(tmp_path / "a", tiny_vit().half())
    local = weights_header(resolve(str(folder)))
    source = resolve(push(hub, "fetch/headers", folder))
    assert weights_header(source) == local
    assert local.dtype == "float16"
    assert local.tensors["classifier.weight"].shape == (3, 16)
    assert download_bytes(source, ["model.safetensors"]) == local.bytes


def test_a_server_that_comes_back_is_waited_for(
    tmp_path: Path, hub: EmbeddedHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hub_client, "PATIENCE", (0.2,) * 300)
    with embedded_hub(tmp_path / "own") as own:
        push(own, "fetch/away", save(tmp_path / "a", tiny_vit()))
        monkeypatch.setenv("HF_ENDPOINT", own.url)
        monkeypatch.setenv("HF_TOKEN", own.token)
        own.stop()
        back = threading.Thread(target=lambda: (time.sleep(0.5), own.start()))
        back.start()
        source = resolve("fetch/away")
        back.join()
        assert fetch(source).is_dir()


def test_a_server_gone_in_the_middle_resumes_on_the_next_run(
    tmp_path: Path, hub: EmbeddedHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    with embedded_hub(tmp_path / "own") as own:
        push(own, "fetch/half", save(tmp_path / "a", tiny_vit()))
        monkeypatch.setenv("HF_ENDPOINT", own.url)
        monkeypatch.setenv("HF_TOKEN", own.token)
        source = resolve("fetch/half")
        own.stop()
        with pytest.raises(HubUnavailableError) as gone:
            fetch(source)
        assert "call it again later" in str(gone.value)
        own.start()
        fetched = fetch(source)
        own.stop()
        assert (fetched / "model.safetensors").is_file()


def test_a_server_gone_after_the_configuration_came_is_named(
    hub: EmbeddedHub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with embedded_hub(tmp_path / "own") as own:
        monkeypatch.setenv("HF_ENDPOINT", own.url)
        monkeypatch.setenv("HF_TOKEN", own.token)
        source = resolve(push(own, "fetch/half", save(tmp_path / "a", tiny_vit())))
        needed_files(source)
        hub_client.client().snapshot_download(
            source.id,
            revision=source.sha,
            allow_patterns=["config.json"],
            cache_dir=hub_client.cache_folder(),
        )
        files = needed_files(source)
        own.stop()
        with pytest.raises(HubUnavailableError):
            _download(source, files)
        own.start()
        assert (_download(source, files) / "model.safetensors").is_file()
