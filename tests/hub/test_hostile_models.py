"""Models of strangers: each kind of nonsense is one of hubmerge's errors, before it costs anything.

In this process and on folders, so that many can be tried; `tests/cli` tries some as commands.
"""

from __future__ import annotations

import json
import os
import shutil
import struct
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from transformers import LlamaConfig, LlamaForCausalLM

from hubmerge.errors import (
    AccessError,
    FamilyError,
    HubmergeError,
    NotFoundError,
    RecipeError,
    RemoteCodeError,
    WeightsError,
)
from hubmerge.hub.destination import Destination
from hubmerge.hub.headers import weights_header
from hubmerge.hub.load import load
from hubmerge.hub.source import Source, folder_files, parse_ref, resolve
from hubmerge.hub.target import check_folder
from hubmerge.localhub import EmbeddedHub
from hubmerge.pipeline.plan import plan
from hubmerge.planning.quick import quick_plan
from hubmerge.recipe import Recipe
from hubmerge.utils.progress import be_quiet
from tests.helpers.small_models import push, save, tiny_vit

SECONDS = 20
"""Of processor time that anything may take here; honest models take less than one."""


@pytest.fixture(scope="module")
def vit(tmp_path_factory: pytest.TempPathFactory) -> Path:
    be_quiet()
    return save(tmp_path_factory.mktemp("models") / "vit", tiny_vit())


@pytest.fixture(scope="module")
def llama(tmp_path_factory: pytest.TempPathFactory) -> Path:
    be_quiet()
    config = LlamaConfig(
        vocab_size=32,
        hidden_size=8,
        intermediate_size=8,
        num_hidden_layers=1,
        num_attention_heads=2,
        num_key_value_heads=2,
        max_position_embeddings=32,
    )
    folder = tmp_path_factory.mktemp("models") / "llama"
    LlamaForCausalLM(config).save_pretrained(folder)
    return folder


@pytest.fixture
def model(vit: Path, tmp_path: Path) -> Path:
    """A folder to spoil."""
    return Path(shutil.copytree(vit, tmp_path / "model"))


def refused(act: Callable[[], object], *kinds: type[HubmergeError]) -> HubmergeError:
    begun = time.process_time()
    with pytest.raises(kinds) as error:
        act()
    assert time.process_time() - begun < SECONDS
    assert "Traceback" not in str(error.value)
    return error.value


def planned(folder: Path, **fields: Any) -> object:
    recipe = Recipe(models=(str(folder), str(folder)), match="none", **fields)
    return plan(recipe, Destination(out=folder.parent / "out"))


# -- headers of weights ---------------------------------------------------------------------------

Header = dict[str, Any]


def changed(field: str, value: Any) -> Callable[[Header], bytes]:
    """The first tensor's entry with another value."""

    def change(header: Header) -> bytes:
        header[next(name for name in header if name != "__metadata__")][field] = value
        return json.dumps(header).encode()

    return change


def overlapping(header: Header) -> bytes:
    one, two, *_ = (name for name in header if name != "__metadata__")
    header[one]["data_offsets"] = header[two]["data_offsets"]
    return json.dumps(header).encode()


def lacking(field: str) -> Callable[[Header], bytes]:
    def change(header: Header) -> bytes:
        del header[next(name for name in header if name != "__metadata__")][field]
        return json.dumps(header).encode()

    return change


def said(**fields: Any) -> Callable[[Header], bytes]:
    return lambda header: json.dumps({**header, **fields}).encode()


HEADERS: dict[str, Callable[[Header], bytes]] = {
    "dtype a list": changed("dtype", ["F32"]),
    "dtype a number": changed("dtype", 7),
    "dtype null": changed("dtype", None),
    "dtype unknown": changed("dtype", "F33"),
    "dtype of another size": changed("dtype", "F64"),
    "shape text": changed("shape", "ab"),
    "shape negative": changed("shape", [-3]),
    "shape fractions": changed("shape", [1.5]),
    "shape beyond 64 bits": changed("shape", [2**65]),
    "shape that overflows": changed("shape", [2**32, 2**32, 2**32]),
    "shape null": changed("shape", None),
    "shape of lists": changed("shape", [[3]]),
    "no offsets": changed("data_offsets", []),
    "one offset": changed("data_offsets", [0]),
    "three offsets": changed("data_offsets", [0, 1, 2]),
    "offsets backwards": changed("data_offsets", [12, 0]),
    "offsets negative": changed("data_offsets", [-12, 0]),
    "offsets text": changed("data_offsets", ["0", "12"]),
    "offsets far away": changed("data_offsets", [2**60, 2**60 + 12]),
    "overlapping offsets": overlapping,
    "no dtype": lacking("dtype"),
    "no shape": lacking("shape"),
    "no data_offsets": lacking("data_offsets"),
    "an entry a list": said(x=[]),
    "an entry a number": said(x=7),
    "an entry null": said(x=None),
    "metadata a number": said(__metadata__={"format": 7}),
    "metadata a list": said(__metadata__=["pt"]),
    "metadata nested": said(__metadata__={"format": {"a": "b"}}),
    "100,000 levels": lambda header: b'{"a":' + b"[" * 100_000 + b"]" * 100_000 + b"}",
    "a number of 6,000 digits": lambda header: b'{"a":' + b"9" * 6000 + b"}",
    "no JSON": lambda header: b"x" * 40,
    "empty": lambda header: b"",
    "a list": lambda header: b"[]",
    "no UTF-8": lambda header: b'{"\xff\xfe": {}}',
    "lone surrogate": lambda header: rb'{"\ud800": 1}',
    "cut off": lambda header: json.dumps(header).encode()[:-9],
    "twice": lambda header: json.dumps(header).encode() * 2,
}


def spoil(folder: Path, change: Callable[[Header], bytes]) -> None:
    path = folder / "model.safetensors"
    raw = path.read_bytes()
    length = struct.unpack("<Q", raw[:8])[0]
    head = change(json.loads(raw[8 : 8 + length]))
    path.write_bytes(struct.pack("<Q", len(head)) + head + raw[8 + length :])


@pytest.mark.parametrize("kind", HEADERS)
def test_damaged_headers(model: Path, kind: str) -> None:
    spoil(model, HEADERS[kind])
    source = resolve(str(model))
    refused(lambda: weights_header(source), WeightsError)
    refused(lambda: load(str(model)), WeightsError)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\x00" * 7,
        b"\xff" * 8,
        struct.pack("<Q", 1_500_000_000),
        struct.pack("<Q", 2**63) + b"{}",
        struct.pack("<Q", 2) + b"{}",
        b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 3\n",
        b"PK\x03\x04" + bytes(100),
    ],
    ids=range(8),
)
def test_files_that_are_no_weights(model: Path, content: bytes) -> None:
    (model / "model.safetensors").write_bytes(content)
    refused(lambda: weights_header(resolve(str(model))), WeightsError)
    refused(lambda: quick_plan(Recipe(models=(str(model), str(model)))), WeightsError)


def test_a_header_of_more_than_100_mb_is_not_read(model: Path) -> None:
    with (model / "model.safetensors").open("wb") as file:
        file.write(struct.pack("<Q", 1_500_000_000))
        file.truncate(1_600_000_000)  # takes no room on the disk
    source = Source(str(model), "model", "local", None, model)
    error = refused(lambda: weights_header(source), WeightsError)
    assert "1,500,000,000 bytes" in str(error)


def test_damaged_headers_on_the_hub(vit: Path, tmp_path: Path, hub: EmbeddedHub) -> None:
    for number, kind in enumerate(HEADERS):
        folder = Path(shutil.copytree(vit, tmp_path / str(number)))
        spoil(folder, HEADERS[kind])
        api = hub.api()
        if number == 0:
            push(hub, "hostile/headers", folder)
        else:
            api.upload_file(
                repo_id="hostile/headers",
                path_or_fileobj=folder / "model.safetensors",
                path_in_repo="model.safetensors",
            )
        source = resolve("hostile/headers")
        refused(lambda source=source: weights_header(source), WeightsError)


INDICES: dict[str, bytes] = {
    "no JSON": b"x",
    "no UTF-8": b'{"weight_map": {"a": "\xff"}}',
    "deep": b'{"weight_map":' + b"[" * 3000 + b"]" * 3000 + b"}",
    "digits": b'{"weight_map": ' + b"9" * 6000 + b"}",
    "no map": b"{}",
    "a list": b'{"weight_map": ["a"]}',
    "a number": b'{"weight_map": {"a": 7}}',
    "nested": b'{"weight_map": {"a": {"b": "c"}}}',
    "above": b'{"weight_map": {"a": "../model.safetensors"}}',
    "absolute": b'{"weight_map": {"a": "/etc/passwd"}}',
    "below": b'{"weight_map": {"a": "x/model.safetensors"}}',
    "backslash": b'{"weight_map": {"a": "..\\\\model.safetensors"}}',
    "escape": b'{"weight_map": {"a": "\\u001b[2J.safetensors"}}',
    "surrogate": b'{"weight_map": {"a": "\\ud800.safetensors"}}',
    "pickle": b'{"weight_map": {"a": "x.bin"}}',
    "none there": b'{"weight_map": {"a": "x.safetensors"}}',
}


@pytest.mark.parametrize("kind", INDICES)
def test_indices_that_name_no_shards_beside_them(model: Path, kind: str) -> None:
    (model / "model.safetensors").unlink()
    (model / "model.safetensors.index.json").write_bytes(INDICES[kind])
    error = refused(lambda: resolve(str(model)), WeightsError)
    assert all(mark.isprintable() or mark == "\n" for mark in str(error))


# -- configurations -------------------------------------------------------------------------------

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


@pytest.mark.parametrize("size", [1e12, 1e25, -3e38])
def test_weights_that_are_finite_but_enormous(model: Path, size: float) -> None:
    from safetensors.torch import load_file, save_file

    tensors = load_file(model / "model.safetensors")
    tensors["classifier.weight"][0, 0] = size
    save_file(tensors, model / "model.safetensors", {"format": "pt"})
    error = refused(lambda: load(str(model)), WeightsError)
    assert "classifier.weight" in str(error)


# -- names and files ------------------------------------------------------------------------------


def test_pipes_devices_and_half_a_disk_are_no_models(tmp_path: Path, model: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for place in (str(tmp_path / "pipe"), "/dev/zero", "/dev/null", "/", "/proc", "/proc/self"):
        refused(lambda place=place: resolve(place), NotFoundError)
    (model / "model.safetensors").unlink()
    os.mkfifo(model / "model.safetensors")
    refused(lambda: resolve(str(model)), WeightsError)
    (model / "model.safetensors").unlink()
    (model / "model.safetensors").symlink_to("/dev/zero")
    refused(lambda: resolve(str(model)), WeightsError)
    (model / "config.json").unlink()
    (model / "config.json").symlink_to(model / "config.json")
    refused(lambda: resolve(str(model)), NotFoundError)


def test_links_in_a_folder_of_the_users_are_followed(model: Path, tmp_path: Path) -> None:
    (model / "model.safetensors").rename(tmp_path / "elsewhere")
    (model / "model.safetensors").symlink_to(tmp_path / "elsewhere")
    assert load(str(model)).dtypes


@pytest.mark.parametrize("ref", ["x" * 300, "a/" + "x" * 300, "./" + "x" * 300, "a" * 10_000])
def test_names_that_are_too_long(ref: str) -> None:
    refused(lambda: parse_ref(ref), RecipeError, NotFoundError)


def test_users_there_are_not() -> None:
    refused(lambda: parse_ref("~no-such-user-here/model"), NotFoundError)


@pytest.mark.parametrize(
    "name", ["x" * 300, "a\0b", "é" * 128, "x" * 250, "a\nb", "a\x1b[2J", "a\u202eb/c"]
)
def test_folders_that_cannot_be_named_so(tmp_path: Path, name: str) -> None:
    from hubmerge.errors import TargetError

    refused(lambda: check_folder(tmp_path / name), TargetError)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("out", "found"),
    [
        ("https://huggingface.co/me/both", "is an address"),
        ("hf://me/both", "is an address"),
        ("~no-such-user-here/both", "a user there is not"),
    ],
)
def test_what_only_looks_like_a_folder(out: str, found: str) -> None:
    from hubmerge.errors import TargetError

    destination = Destination(out=Path(out))
    error = refused(lambda: check_folder(destination.out or Path()), TargetError)
    assert found in str(error)


def test_the_users_own_folder_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As it is of models, and as a shell does it."""
    monkeypatch.setenv("HOME", str(tmp_path))
    assert Destination(out=Path("~/both")).out == tmp_path / "both"


@pytest.mark.parametrize("place", ["file/out", "/proc/out", "/dev/null/out", "/sys/out"])
def test_folders_that_cannot_be_made_there(tmp_path: Path, place: str) -> None:
    from hubmerge.errors import TargetError

    (tmp_path / "file").write_text("x")
    refused(lambda: check_folder(tmp_path / place), TargetError)
    check_folder(tmp_path / "fine")
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_a_folder_of_too_many_files_is_not_gone_through(tmp_path: Path) -> None:
    for number in range(12):
        (tmp_path / str(number)).touch()
    assert len(folder_files(tmp_path, 20)) == 12
    refused(lambda: folder_files(tmp_path, 10), RecipeError)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
@pytest.mark.parametrize("name", ["model.safetensors", "config.json", "preprocessor_config.json"])
def test_files_that_may_not_be_read(model: Path, name: str) -> None:
    for above in (model, *model.parents):
        if above != Path("/") and above.stat().st_uid == 0 and "pytest" in str(above):
            above.chmod(0o755)
    (model / name).chmod(0o000)
    os.seteuid(65534)
    try:
        refused(lambda: load(str(model)), AccessError)
    finally:
        os.seteuid(0)


def rewrite(folder: Path, name: str = "config.json", **changes: Any) -> None:
    path = folder / name
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))
