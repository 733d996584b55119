"""The table of bad input: models that cannot be found, read, or merged with each other."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import (
    AutoModelForImageClassification,
    PatchTSTConfig,
    PatchTSTForRegression,
)

from hubmerge.errors import (
    AccessError,
    DerivationError,
    FamilyError,
    LabelError,
    MismatchError,
    NotFoundError,
    RecipeError,
    RemoteCodeError,
    WeightsError,
)
from tests.helpers import zoo
from tests.helpers.command_line import CommandLine
from tests.helpers.refusals import Arguments, Kit, Row, check, table

A = "me/vit-a"


def both(ref: str) -> Arguments:
    return lambda kit: [A, ref]


def private(token: str) -> Arguments:
    """Asked for by a user who must not know it exists."""

    def make(kit: Kit) -> list[Any]:
        kit.token = kit.hub.add_user("guest") if token == "guest" else token
        return [A, kit.pushed(kit.model("secret"), private=True)]

    return make


def wrong_token(kit: Kit) -> list[Any]:
    kit.token = "hf_wrong"
    return [A, "me/vit-b"]


def gated(kit: Kit) -> list[Any]:
    kit.token = kit.hub.add_user("guest")
    kit.push = "guest/merged"
    repo = kit.pushed(kit.model("gated"))
    kit.hub.api().update_repo_settings(repo, gated="manual")
    return [A, repo]


@table(
    Row("missing", NotFoundError, ("me/nothing", "check the spelling"), both("me/nothing")),
    Row("missing folder", NotFoundError, ("./nothing",), both("./nothing")),
    Row("missing revision", NotFoundError, ("me/vit-b@v9", "revision"), both("me/vit-b@v9")),
    Row("private, no token", NotFoundError, ("private", "hf auth login"), private("")),
    Row("private, another's token", NotFoundError, ("private", "whoami"), private("guest")),
    Row("wrong token", AccessError, ("token", "hf auth login"), wrong_token),
    Row("gated", AccessError, ("is gated", "ask for access"), gated),
    Row("no model", NotFoundError, ("config.json",), lambda kit: [A, kit.pushed(bare(kit))]),
    Row("one model only", RecipeError, ("two models",), lambda kit: [A]),
    Row("folder above", NotFoundError, ("no folder",), both("../../etc")),
    Row("path trick", RecipeError, ("me/../other",), both("me/../other")),
    Row("path trick deeper", RecipeError, ("me/a/../../x",), both("me/a/../../x")),
    Row("path trick in revision", RecipeError, ("../../main",), both("me/vit-b@../../main")),
    Row("encoded path trick", RecipeError, ("%2e%2e",), both("me/%2e%2e")),
    Row("markup", RecipeError, ("<script>",), both("<script>alert(1)</script>/b")),
    Row("line break", RecipeError, (r"me/b\nme/c",), both("me/b\nme/c")),
    Row("terminal codes", RecipeError, (r"\x1b",), both("me/b\x1b[2J")),
    Row("empty", RecipeError, ("ORG/NAME",), both("")),
    Row("another hub", RecipeError, ("evil.example",), both("https://evil.example/me/b")),
    Row("file address", RecipeError, ("file:///etc",), both("file:///etc/passwd")),
)
def test_model_that_is_not_there(row: Row, kit: Kit, hubmerge: CommandLine) -> None:
    check(row, kit, hubmerge)


def bare(kit: Kit) -> Path:
    folder = kit.tmp / "bare"
    folder.mkdir()
    (folder / "notes.txt").write_text("no model")
    return folder


def model(field: str, family: str = "vit", **changes: Any) -> Row:
    """A parent B whose configuration differs in one field."""

    def make(kit: Kit) -> list[Any]:
        return [f"me/{family}-a", kit.model("b", family, **changes)]

    return Row(field, MismatchError, (f"differ in {field}", f"in me/{family}-a"), make)


def processor(field: str, value: object, names: str | None = None) -> Row:
    """A parent B whose processor differs in one field."""
    quoted = (f"differ in {names or field}", "preprocessor_config.json")
    return Row(
        f"processor {field}",
        MismatchError,
        quoted,
        lambda kit: [A, kit.processed("b", **{field: value})],
    )


def without_processor(kit: Kit) -> list[Any]:
    folder = kit.model("b")
    (folder / "preprocessor_config.json").unlink()
    return [A, folder]


@table(
    Row("family", MismatchError, ("differ in architectures", "ResNet"), both("me/resnet-b")),
    model("hidden_size", hidden_size=16),
    model("num_hidden_layers", num_hidden_layers=1),
    model("num_attention_heads", num_attention_heads=2),
    model("intermediate_size", intermediate_size=40),
    model("hidden_act", hidden_act="relu"),
    model("layer_norm_eps", layer_norm_eps=1e-5),
    model("image_size", image_size=16),
    model("patch_size", patch_size=2),
    model("qkv_bias", qkv_bias=False),
    model("hidden_sizes", "resnet", hidden_sizes=[16, 24]),
    model("depths", "resnet", depths=[2, 1]),
    model("layer_type", "resnet", layer_type="bottleneck"),
    model("norm", "mlp", norm="batch"),
    model("input_size", "mlp", input_size=64),
    processor("image_mean", [0.4] * 3),
    processor("image_std", [0.4] * 3),
    processor("size", {"height": 9, "width": 9}, "size.height"),
    processor("resample", 0),
    processor("do_rescale", False),
    Row("no processor", MismatchError, ("preprocessor_config.json", "absent"), without_processor),
)
def test_models_that_do_not_fit(row: Row, kit: Kit, hubmerge: CommandLine) -> None:
    check(row, kit, hubmerge)


@table(
    Row(
        "fewer classes",
        LabelError,
        ("10 classes", "9", "--heads join"),
        lambda kit: [A, kit.named("b", zoo.NAMES[:9])],
    ),
    Row(
        "disjoint",
        LabelError,
        ("0 of 10", "only in B: 'class 0'", "--heads join", "--align-labels index"),
        lambda kit: [A, kit.named("b", [f"class {index}" for index in range(10)])],
    ),
    Row(
        "one differs",
        LabelError,
        ("9 of 10", "only in A: 'nine'", "only in B: 'ten'"),
        lambda kit: [A, kit.named("b", [*zoo.NAMES[:9], "ten"])],
    ),
    Row(
        "names that say nothing",
        LabelError,
        ("LABEL_0", "--align-labels index"),
        lambda kit: [A, kit.named("b", [f"LABEL_{index}" for index in range(10)])],
    ),
    Row(
        "joined by names that say nothing",
        LabelError,
        ("LABEL_0", "names of B"),
        lambda kit: [A, kit.named("b", [f"LABEL_{n}" for n in range(9)]), "--heads", "join"],
    ),
    Row(
        "joined by index",
        RecipeError,
        ("heads join", "labels"),
        lambda kit: [A, "me/vit-b", "--heads", "join", "--align-labels", "index"],
    ),
    Row(
        "joined by learning",
        RecipeError,
        ("--match learned", "other labels"),
        lambda kit: [
            *(A, kit.named("b", ["ten", "eleven"]), "--heads", "join", "--match", "learned"),
            *("--dataset", "me/digits"),
        ],
        known="late",
    ),
)
def test_labels_that_do_not_fit(row: Row, kit: Kit, hubmerge: CommandLine) -> None:
    check(row, kit, hubmerge)


Spoil = Callable[[dict[str, torch.Tensor]], object]
BIAS = "classifier.bias"


def spoiled(change: Spoil) -> Arguments:
    """A parent B whose weights were changed."""

    def make(kit: Kit) -> list[Any]:
        folder = kit.model("b")
        tensors = load_file(folder / "model.safetensors")
        change(tensors)
        save_file(tensors, folder / "model.safetensors", {"format": "pt"})
        return [A, kit.pushed(folder)]

    return make


def truncated(kit: Kit) -> list[Any]:
    folder = kit.model("b")
    path = folder / "model.safetensors"
    path.write_bytes(path.read_bytes()[:-100])
    return [A, kit.pushed(folder)]


def garbage(kit: Kit) -> list[Any]:
    folder = kit.model("b")
    (folder / "model.safetensors").write_bytes(b"\x10\0\0\0\0\0\0\0not json at all!")
    return [A, kit.pushed(folder)]


def missing_shard(kit: Kit) -> list[Any]:
    folder = kit.model("b")
    model = AutoModelForImageClassification.from_pretrained(folder)
    (folder / "model.safetensors").unlink()
    model.save_pretrained(folder, max_shard_size="30KB")
    shards = sorted(folder.glob("*.safetensors"))
    assert len(shards) > 1
    shards[-1].unlink()
    return [A, kit.pushed(folder)]


def pickled(kit: Kit) -> list[Any]:
    folder = kit.model("b")
    torch.save(load_file(folder / "model.safetensors"), folder / "pytorch_model.bin")
    (folder / "model.safetensors").unlink()
    return [A, kit.pushed(folder)]


def adapter(kit: Kit) -> list[Any]:
    folder = kit.model("b")
    (folder / "model.safetensors").rename(folder / "adapter_model.safetensors")
    (folder / "adapter_config.json").write_text("{}")
    return [A, folder]


@table(
    Row(
        "missing key",
        WeightsError,
        ("missing: classifier.weight",),
        spoiled(lambda tensors: tensors.pop("classifier.weight")),
    ),
    Row(
        "unexpected key",
        WeightsError,
        ("unexpected: extra.weight",),
        spoiled(lambda tensors: tensors.update({"extra.weight": torch.zeros(3)})),
    ),
    Row(
        "renamed key",
        WeightsError,
        (f"missing: {BIAS}", "unexpected: classifier.bis"),
        spoiled(lambda tensors: tensors.update({"classifier.bis": tensors.pop(BIAS)})),
    ),
    Row(
        "mis-shaped",
        WeightsError,
        (f"mis-shaped: {BIAS} [11], the model has [10]",),
        spoiled(lambda tensors: tensors.update({BIAS: torch.zeros(11)})),
    ),
    Row(
        "NaN",
        WeightsError,
        (f"{BIAS} (1 of 10)",),
        spoiled(lambda tensors: tensors[BIAS][3:4].fill_(torch.nan)),
        "late",
    ),
    Row(
        "infinite",
        WeightsError,
        (f"{BIAS} (10 of 10)",),
        spoiled(lambda tensors: tensors[BIAS].fill_(torch.inf)),
        "late",
    ),
    Row("truncated", WeightsError, ("model.safetensors is truncated",), truncated),
    Row("garbage", WeightsError, ("no safetensors file",), garbage),
    Row("missing shard", WeightsError, ("lacks model-0000", "shards"), missing_shard),
    Row("pickle only", WeightsError, ("pytorch_model.bin", "save_pretrained"), pickled),
    Row("adapter", WeightsError, ("is an adapter", "merge_and_unload"), adapter),
)
def test_weights_that_are_not_whole(row: Row, kit: Kit, hubmerge: CommandLine) -> None:
    check(row, kit, hubmerge)


def remote(file: str) -> Arguments:
    """Models that bring code along in this file's `auto_map`."""

    def make(kit: Kit) -> list[Any]:
        folders = [
            kit.rewrite(kit.model(name), file, auto_map={"AutoConfig": "code.Config"})
            for name in "ab"
        ]
        for folder in folders:
            (folder / "code.py").write_text(f"open({str(kit.tmp / 'ran')!r}, 'w')")
        return [kit.pushed(folder) for folder in folders]

    return make


def time_series(kit: Kit) -> list[Any]:
    """Models for which there is no spec, and no input by which to derive one."""
    config = PatchTSTConfig(
        d_model=8, num_hidden_layers=1, num_attention_heads=2, ffn_dim=8, context_length=16
    )
    folder = kit.tmp / "b"
    PatchTSTForRegression(config).save_pretrained(folder)
    return [folder, folder]


def unheard_of(kit: Kit) -> list[Any]:
    folder = kit.rewrite(kit.model("b"), "config.json", model_type="vlt")
    return [folder, folder]


@table(
    Row("code in config", RemoteCodeError, ("--trust-remote-code",), remote("config.json")),
    Row(
        "code in processor",
        RemoteCodeError,
        ("--trust-remote-code",),
        remote("preprocessor_config.json"),
    ),
    Row("no spec", DerivationError, ("patchtst", "past_values", "--match none"), time_series),
    Row("unknown model type", FamilyError, ("vlt",), unheard_of),
)
def test_families_that_are_not_known(row: Row, kit: Kit, hubmerge: CommandLine) -> None:
    check(row, kit, hubmerge)
    assert not (kit.tmp / "ran").exists()


def test_remote_code_is_not_run_by_any_command(hubmerge: CommandLine, kit: Kit) -> None:
    folder, _ = remote("config.json")(kit)
    for command in (["specs", "check", folder], ["match", folder, folder], ["plan", folder, A]):
        hubmerge(*command).refused(RemoteCodeError)
    assert not (kit.tmp / "ran").exists()


@pytest.mark.parametrize("config_only", [(), ("--config-only",)])
def test_check_refuses_what_has_no_spec(
    hubmerge: CommandLine, kit: Kit, config_only: tuple[str, ...]
) -> None:
    folder, _ = time_series(kit)
    hubmerge("specs", "check", folder, *config_only).refused(DerivationError, "patchtst")
    listed = " ".join(hubmerge("specs", "list").succeeded().out.split())
    assert "patchtst-PatchTSTForRegression refused" in listed
