"""What can be chosen: how it is matched, fused, repaired and labelled, and where it goes."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from safetensors.torch import load_file, save_file
from transformers import (
    AutoModelForImageClassification,
    ConvNextConfig,
    ConvNextForImageClassification,
)

from hubmerge.errors import LabelError
from hubmerge.localhub import EmbeddedHub
from tests.helpers import zoo
from tests.helpers.command_line import CommandLine

Plain = Callable[[str], Path]
SMALL = ("mlp", "vit", pytest.param("resnet", marks=pytest.mark.slow))
FEW = ("--samples", "60", "--calibration-samples", "60")


def weights(folder: Path) -> bytes:
    return (folder / "model.safetensors").read_bytes()


def report(folder: Path) -> dict[str, Any]:
    return json.loads((folder / "report.json").read_text())


def halved(folder: Path, out: Path) -> Path:
    """The same model stored in float16."""
    AutoModelForImageClassification.from_pretrained(folder).half().save_pretrained(out)
    (out / "preprocessor_config.json").write_bytes(
        (folder / "preprocessor_config.json").read_bytes()
    )
    return out


@pytest.mark.parametrize("family", SMALL)
def test_half_precision_parents_give_a_half_precision_merge(
    hubmerge: CommandLine, parents: dict[str, dict], family: str, out: Path, tmp_path: Path
) -> None:
    a, b = (halved(parents[family][letter], tmp_path / letter) for letter in "ab")
    hubmerge("merge", a, b, *zoo.BY_WEIGHTS, "-o", out).succeeded()
    stored = load_file(out / "model.safetensors")
    before = load_file(a / "model.safetensors")
    assert {name: value.dtype for name, value in stored.items()} == {
        name: value.dtype for name, value in before.items()
    }
    assert torch.float16 in {value.dtype for value in stored.values()}
    assert json.loads((out / "config.json").read_text())["dtype"] == "float16"
    assert report(out)["merged"]["dtype"] == "float16"
    assert "float16" in (out / "README.md").read_text()


@pytest.mark.parametrize("family", SMALL)
def test_labels_in_another_order_change_nothing(
    hubmerge: CommandLine, parents: dict[str, dict], plain: Plain, family: str, tmp_path: Path
) -> None:
    shuffled = zoo.shuffled_labels(parents[family]["b"], tmp_path / "shuffled", family)
    out = tmp_path / "out"
    how = () if family == "resnet" else zoo.BY_WEIGHTS
    hubmerge("merge", f"me/{family}-a", shuffled, *how, "-o", out).succeeded()
    assert weights(out) == weights(plain(family))
    config = json.loads((out / "config.json").read_text())
    assert list(config["id2label"].values()) == zoo.NAMES


def test_labels_in_another_order_are_measured_right(
    hubmerge: CommandLine, parents: dict[str, dict], tmp_path: Path
) -> None:
    shuffled = zoo.shuffled_labels(parents["mlp"]["b"], tmp_path / "shuffled", "mlp")
    reported = [
        hubmerge("merge", "me/mlp-a", b, "--dataset", "me/digits", *FEW, "-o", out, "--json")
        .succeeded()
        .json
        for b, out in (("me/mlp-b", tmp_path / "straight"), (shuffled, tmp_path / "turned"))
    ]
    assert reported[0]["contenders"] == reported[1]["contenders"]
    assert reported[0]["barrier"] == reported[1]["barrier"]


def test_labels_without_names_go_by_index(
    hubmerge: CommandLine, parents: dict[str, dict], tmp_path: Path
) -> None:
    nameless = []
    for letter in "ab":
        model = AutoModelForImageClassification.from_pretrained(parents["mlp"][letter])
        names = zoo.labelled([f"LABEL_{index}" for index in range(10)])
        model.config.id2label, model.config.label2id = names["id2label"], names["label2id"]
        nameless.append(zoo.write_model(tmp_path / letter, model, "mlp"))
    out = tmp_path / "out"
    hubmerge("merge", *nameless, "-o", out).refused(LabelError, "LABEL_0", "--align-labels index")
    assert not out.exists()
    data = ("--dataset", "me/digits", *FEW)
    done = hubmerge("merge", *nameless, "--align-labels", "index", *data, "-o", out).succeeded()
    assert report(out)["contenders"]["parent_a"]["accuracy"] > 0.8
    assert "by index" in (out / "README.md").read_text()
    assert done.out


def test_a_saved_alignment_replaces_matching(
    hubmerge: CommandLine, plain: Plain, tmp_path: Path
) -> None:
    models = ("me/vit-a", "me/vit-b")
    found = tmp_path / "found"
    reported = hubmerge("match", *models, "--match", "weights", "-o", found).succeeded()
    assert {path.name for path in found.iterdir()} == {"alignment.safetensors", "alignment.json"}
    assert "resid" in reported.out
    assert f"--alignment {found}" in reported.out
    assert hubmerge(
        "match", *models, "--match", "weights", "--json"
    ).succeeded().json == json.loads((found / "alignment.json").read_text())
    saved, again = tmp_path / "saved", tmp_path / "again"
    hubmerge("merge", *models, "--alignment", found, "--repair", "none", "-o", saved).succeeded()
    assert weights(saved) == weights(plain("vit"))
    hubmerge("merge", "--recipe", saved, "-o", again).succeeded()
    assert weights(again) == weights(saved)


def test_matching_on_activations_alone(
    hubmerge: CommandLine, parents: dict[str, dict], tmp_path: Path
) -> None:
    models, data = ("me/resnet-a", "me/resnet-b"), ("--dataset", "me/digits")
    reported = hubmerge("match", *models, *data, "--calibration-samples", 60, "--json").succeeded()
    assert reported.json["method"] == "activations"
    assert all(space["correlation"] > 0 for space in reported.json["spaces"])


def test_best_lambda_is_chosen_on_validation_rows(
    hubmerge: CommandLine, parents: dict[str, dict], tmp_path: Path
) -> None:
    out, again = tmp_path / "out", tmp_path / "again"
    data = ("--dataset", "me/digits", *FEW)
    hubmerge("merge", "me/mlp-a", "me/mlp-b", "--lambda", "auto", *data, "-o", out).succeeded()
    method = report(out)["method"]
    assert method["lam_chosen"] == "on validation rows"
    assert 0 <= method["lam"] <= 1
    hubmerge("merge", "--recipe", out, "-o", again).succeeded()
    assert weights(again) == weights(out)


def test_lambda_is_the_weight_of_b(
    hubmerge: CommandLine, parents: dict[str, dict], tmp_path: Path
) -> None:
    models = ("me/mlp-a", "me/mlp-b", "--match", "none")
    a, b = (load_file(parents["mlp"][letter] / "model.safetensors") for letter in "ab")
    for lam in (0, 0.25, 1):
        out = tmp_path / str(lam)
        hubmerge("merge", *models, "--lambda", lam, "-o", out).succeeded()
        for name, value in load_file(out / "model.safetensors").items():
            torch.testing.assert_close(value, (1 - lam) * a[name] + lam * b[name])


@pytest.mark.parametrize(
    "family",
    ["vit", *(pytest.param(name, marks=pytest.mark.slow) for name in ("mlp", "resnet"))],
)
def test_repair_of_activations(
    hubmerge: CommandLine, parents: dict[str, dict], family: str, out: Path
) -> None:
    models, data = (f"me/{family}-a", f"me/{family}-b"), ("--dataset", "me/digits", *FEW)
    hubmerge("merge", *models, *data, "--repair", "repair", "-o", out).succeeded()
    reported = report(out)
    assert reported["method"]["repair"] == "repair"
    assert reported["contenders"]["merge"]["accuracy"] > 0.3


def test_without_matching_no_spec_is_needed(hubmerge: CommandLine, tmp_path: Path) -> None:
    models = []
    for letter, seed in (("a", 0), ("b", 1)):
        torch.manual_seed(seed)
        config = ConvNextConfig(
            num_stages=2, hidden_sizes=[4, 8], depths=[1, 1], **zoo.labelled(["cat", "dog"])
        )
        models.append(tmp_path / letter)
        ConvNextForImageClassification(config).save_pretrained(models[-1])
    out = tmp_path / "out"
    hubmerge("merge", *models, "--match", "none", "-o", out).succeeded()
    a, b, mean = (load_file(f / "model.safetensors") for f in (*models, out))
    for name, value in mean.items():
        torch.testing.assert_close(value, (a[name] + b[name]) / 2)
    assert report(out)["method"]["match"] == "none"


def test_without_data_nothing_is_claimed(hubmerge: CommandLine, plain: Plain) -> None:
    out = plain("resnet")
    reported = report(out)
    assert reported["verdict"] == "cannot tell"
    assert reported["n"] == 0
    assert reported["barrier"]["matched"] is None
    assert reported["contenders"]["merge"]["accuracy"] is None
    assert not (out / "barrier.png").exists()
    assert "synthetic images" in hubmerge("report", out).succeeded().out
    assert "model-index" not in (out / "README.md").read_text()


def test_without_data_layers_are_fitted_on_synthetic_images(
    hubmerge: CommandLine, parents: dict[str, dict], out: Path
) -> None:
    fuse = ("--fuse", "least-squares")
    hubmerge("merge", "me/resnet-a", "me/resnet-b", *fuse, "-o", out).succeeded()
    reported = report(out)
    assert reported["method"]["match"] == "synthetic"
    assert reported["method"]["fuse"] == "least-squares"
    assert any("Layers were fitted on synthetic images" in limit for limit in reported["limits"])


def test_quiet_is_quiet(hubmerge: CommandLine, parents: dict[str, dict], out: Path) -> None:
    data = ("--dataset", "me/digits", *FEW)
    done = hubmerge("merge", "me/resnet-a", "me/resnet-b", *data, "-o", out, "-q").succeeded()
    assert not done.err
    assert report(out)["verdict_sentence"] in done.out


def test_the_default_output_folder(
    hubmerge: CommandLine, parents: dict[str, dict], tmp_path: Path
) -> None:
    hubmerge("merge", "me/mlp-a", parents["mlp"]["b"], *zoo.BY_WEIGHTS, cwd=tmp_path).succeeded()
    (folder,) = tmp_path.iterdir()
    assert folder.name == "mlp-a-b-merged"


def test_old_layouts_are_kept(parents: dict[str, dict], plain: Plain) -> None:
    a = parents["vit"]["a"]
    assert set(load_file(plain("vit") / "model.safetensors")) == set(
        load_file(a / "model.safetensors")
    )


def test_a_pull_request_leaves_the_main_branch_alone(
    hubmerge: CommandLine, parents: dict[str, dict], hub: EmbeddedHub, repo: str, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    zoo.push(hub, repo, parents["mlp"]["a"])
    before = hub.api().model_info(repo).sha
    models = ("me/mlp-a", "me/mlp-b", *zoo.BY_WEIGHTS)
    done = hubmerge("merge", *models, "--push", repo, "--create-pr", "-o", out).succeeded()
    assert hub.api().model_info(repo).sha == before
    (proposal,) = hub.api().get_repo_discussions(repo)
    assert proposal.is_pull_request
    assert proposal.url in done.out
    ref = f"refs/pr/{proposal.num}"
    there = hub.api().snapshot_download(repo, revision=ref, local_dir=tmp_path / "there")
    assert weights(Path(there)) == weights(out)


def test_an_existing_repository_is_added_to_only_on_request(
    hubmerge: CommandLine, parents: dict[str, dict], hub: EmbeddedHub, repo: str, out: Path
) -> None:
    zoo.push(hub, repo, parents["mlp"]["a"])
    before = len(hub.api().list_repo_commits(repo))
    hub.api().upload_file(path_or_fileobj=b"mine", path_in_repo="notes.txt", repo_id=repo)
    models = ("me/mlp-a", "me/mlp-b", *zoo.BY_WEIGHTS)
    hubmerge("merge", *models, "--push", repo, "--exist-ok", "-o", out).succeeded()
    commits = hub.api().list_repo_commits(repo)
    assert len(commits) == before + 2
    assert hub.api().file_exists(repo, "notes.txt")


def test_private_and_another_branch(
    hubmerge: CommandLine, parents: dict[str, dict], hub: EmbeddedHub, repo: str, out: Path
) -> None:
    models, where = ("me/mlp-a", "me/mlp-b", *zoo.BY_WEIGHTS), ("--push", repo, "--private")
    hubmerge("merge", *models, *where, "--revision", "trial", "-o", out).succeeded()
    assert hub.api().model_info(repo).private
    assert hub.api().file_exists(repo, "model.safetensors", revision="trial")
    assert not hub.api().file_exists(repo, "model.safetensors")


def test_an_unknown_licence_is_private_by_default(
    hubmerge: CommandLine, parents: dict[str, dict], hub: EmbeddedHub, repo: str, out: Path
) -> None:
    zoo.push(hub, f"{repo}-a", parents["mlp"]["a"])
    hub.api().upload_file(
        path_or_fileobj=b"---\nlicense: cc-by-nc-4.0\n---\n",
        path_in_repo="README.md",
        repo_id=f"{repo}-a",
    )
    models = (f"{repo}-a", "me/mlp-b", *zoo.BY_WEIGHTS)
    hubmerge("merge", *models, "--push", repo, "-o", out).succeeded()
    info = hub.api().model_info(repo)
    assert info.private
    assert info.card_data is not None
    assert info.card_data.license == "other"


def test_local_paths_of_parents_are_not_published(
    hubmerge: CommandLine, parents: dict[str, dict], hub: EmbeddedHub, repo: str, out: Path
) -> None:
    models = (*parents["mlp"].values(), *zoo.BY_WEIGHTS)
    hubmerge("merge", *models, "--push", repo, "-o", out).succeeded()
    for path in out.iterdir():
        assert str(parents["mlp"]["a"].parent).encode() not in path.read_bytes(), path.name
    recipe = yaml.safe_load((out / "hubmerge.yaml").read_text())
    assert [ref.partition("@local-")[0] for ref in recipe["models"]] == ["a", "b"]


def test_markup_in_a_folder_name_is_shown_as_text(
    hubmerge: CommandLine, parents: dict[str, dict], tmp_path: Path, out: Path
) -> None:
    evil = tmp_path / "<img src=x onerror=alert(1)>](javascript:alert(1))"
    evil.mkdir()
    for path in parents["mlp"]["a"].iterdir():
        (evil / path.name).write_bytes(path.read_bytes())
    hubmerge("merge", evil, "me/mlp-b", *zoo.BY_WEIGHTS, "-o", out).succeeded()
    _, front_matter, shown = (out / "README.md").read_text().split("---\n", 2)
    assert yaml.safe_load(front_matter)["license"] == zoo.LICENCE
    assert "<img" not in shown
    assert "](javascript" not in shown
    assert report(out)["models"][0]["id"] == evil.name


def test_shards_merge(
    hubmerge: CommandLine, parents: dict[str, dict], plain: Plain, tmp_path: Path, out: Path
) -> None:
    a = tmp_path / "sharded"
    model = AutoModelForImageClassification.from_pretrained(parents["vit"]["a"])
    model.save_pretrained(a, max_shard_size="40KB")
    assert len(list(a.glob("*.safetensors"))) > 1
    (a / "preprocessor_config.json").write_bytes(
        (parents["vit"]["a"] / "preprocessor_config.json").read_bytes()
    )
    hubmerge("merge", a, "me/vit-b", *zoo.BY_WEIGHTS, "-o", out).succeeded()
    folders = (out, plain("vit"))
    merged, whole = (AutoModelForImageClassification.from_pretrained(f) for f in folders)
    for name, value in whole.state_dict().items():
        assert torch.equal(merged.state_dict()[name], value)


def test_extra_files_of_a_come_along_and_code_does_not(
    hubmerge: CommandLine, parents: dict[str, dict], tmp_path: Path, out: Path
) -> None:
    a = tmp_path / "a"
    a.mkdir()
    for path in parents["mlp"]["a"].iterdir():
        (a / path.name).write_bytes(path.read_bytes())
    (a / "training.py").write_text("print('hello')")
    (a / "optimizer.pt").write_bytes(b"state")
    save_file({"x": torch.zeros(1)}, a / "other.safetensors")
    hubmerge("merge", a, "me/mlp-b", *zoo.BY_WEIGHTS, "-o", out).succeeded()
    assert {path.name for path in out.iterdir()} == {
        "README.md",
        "alignment.json",
        "alignment.safetensors",
        "badge.svg",
        "config.json",
        "hubmerge.yaml",
        "model.safetensors",
        "preprocessor_config.json",
        "report.json",
    }
