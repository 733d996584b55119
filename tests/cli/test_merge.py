"""The main job by Hub id, family by family: what it leaves here and on the Hub."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest
import torch
import yaml
from huggingface_hub import metadata_load
from torch.nn import functional as F
from transformers import AutoImageProcessor, AutoModelForImageClassification

from hubmerge.errors import TargetError
from hubmerge.localhub import EmbeddedHub
from tests.helpers import zoo
from tests.helpers.command_line import CommandLine, Done
from tests.helpers.merged import Merged

FILES = {
    "README.md",
    "alignment.json",
    "alignment.safetensors",
    "badge.svg",
    "barrier.png",
    "config.json",
    "hubmerge.yaml",
    "model.safetensors",
    "preprocessor_config.json",
    "report.json",
}
CONTENDERS = {"parent_a", "parent_b", "naive", "merge", "ensemble"}


def sha(hub: EmbeddedHub, repo: str) -> str:
    return str(hub.api().model_info(repo).sha)


def evaluation_rows(size: int) -> list[int]:
    """The rule of the report, written down a second time: a fifth of a split is validation's."""

    def key(row: int) -> bytes:
        return hashlib.blake2b(f"hubmerge rows v1:{row}".encode(), digest_size=8).digest()

    return sorted(range(size), key=key)[size // 5 :]


def test_json_is_the_report_and_nothing_else(merged: Merged) -> None:
    assert merged.done.out == (merged.folder / "report.json").read_text()


def test_every_file_is_there_and_on_the_hub(merged: Merged, hub: EmbeddedHub) -> None:
    assert {path.name for path in merged.folder.iterdir()} == FILES
    there = hub.api().snapshot_download(merged.repo, local_dir=merged.folder.parent / "copy")
    for name in FILES:
        assert (Path(there) / name).read_bytes() == (merged.folder / name).read_bytes()
    assert len(hub.api().list_repo_commits(merged.repo)) == 2  # the empty repository, the merge


def test_the_report_has_the_fields_others_build_on(merged: Merged, hub: EmbeddedHub) -> None:
    report = merged.report
    parents = [f"me/{merged.family}-{letter}" for letter in "ab"]
    assert report["schema_version"] == 1
    assert [model["id"] for model in report["models"]] == parents
    assert [model["sha"] for model in report["models"]] == [sha(hub, repo) for repo in parents]
    assert report["data"]["sha"] == hub.api().dataset_info("me/digits").sha
    assert report["n"] == len(evaluation_rows(zoo.TEST_ROWS))
    assert set(report["contenders"]) == CONTENDERS
    for figures in report["contenders"].values():
        assert 0 <= figures["accuracy"] <= 1
        assert figures["loss"] > 0
        assert figures["n"] == report["n"]
    assert 0 <= report["barrier"]["matched"] < report["barrier"]["naive"]
    naive, merge = (report["contenders"][name] for name in ("naive", "merge"))
    assert merge["loss"] < naive["loss"]
    tried = report["method"]["tried"]
    assert len(tried) == (4 if merged.family == "resnet" else 3)
    chosen = [attempt for attempt in tried if attempt["chosen"]]
    assert [attempt["loss"] for attempt in chosen] == [min(attempt["loss"] for attempt in tried)]
    assert report["method"]["match"] == chosen[0]["match"]
    assert chosen[0]["way"] in (merged.folder / "README.md").read_text()
    assert report["method"]["repair"] == ("batchnorm" if merged.family == "resnet" else "none")
    weights = (merged.folder / "model.safetensors").read_bytes()
    assert report["weights_sha256"] == {"model.safetensors": hashlib.sha256(weights).hexdigest()}


def test_figures_are_those_of_the_published_checkpoint(
    merged: Merged, hub: EmbeddedHub, tmp_path: Path
) -> None:
    """Nothing of hubmerge's is used here but the MLP head's registration."""
    copy = hub.api().snapshot_download(merged.repo, local_dir=tmp_path / "copy")
    model, found = AutoModelForImageClassification.from_pretrained(copy, output_loading_info=True)
    assert not found["missing_keys"]
    assert not found["unexpected_keys"]
    assert not found["mismatched_keys"]
    rows = zoo.rows()["test"].select(evaluation_rows(zoo.TEST_ROWS))
    pixels = AutoImageProcessor.from_pretrained(copy)(list(rows["image"]), return_tensors="pt")
    labels = torch.tensor(rows["label"])
    with torch.inference_mode():
        logits = model.eval()(pixel_values=pixels["pixel_values"]).logits
    said = merged.report["contenders"]["merge"]
    assert said["accuracy"] == pytest.approx((logits.argmax(1) == labels).double().mean().item())
    assert said["loss"] == pytest.approx(F.cross_entropy(logits, labels).item(), rel=1e-4)


def test_the_card_says_where_it_comes_from(merged: Merged, hub: EmbeddedHub) -> None:
    info = hub.api().model_info(merged.repo)
    assert not info.private
    card = metadata_load(merged.folder / "README.md") or {}
    assert info.card_data is not None
    assert info.card_data.to_dict() == card
    assert card["base_model"] == [f"me/{merged.family}-a", f"me/{merged.family}-b"]
    assert card["base_model_relation"] == "merge"
    assert card["license"] == zoo.LICENCE
    assert card["datasets"] == ["me/digits"]
    assert card["library_name"] == "transformers"
    assert card["pipeline_tag"] == "image-classification"
    assert {"merge", "hubmerge"} <= set(card["tags"])
    (entry,) = card["model-index"]
    assert entry["name"] == merged.repo
    results = {
        metric["type"]: metric["value"]
        for result in entry["results"]
        for metric in result["metrics"]
    }
    report = merged.report
    assert results["accuracy"] == report["contenders"]["merge"]["accuracy"]
    assert results["loss_barrier"] == report["barrier"]["matched"]
    text = (merged.folder / "README.md").read_text()
    assert report["verdict_sentence"].split(":")[0] in text
    assert ("import hubmerge" in text) == (merged.family == "mlp")


def test_the_recipe_gives_the_same_bytes_and_the_same_report(
    merged: Merged, hubmerge: CommandLine, out: Path
) -> None:
    recipe = merged.folder / "hubmerge.yaml"
    again = hubmerge("merge", "--recipe", recipe, "-o", out, "--json").succeeded().json
    first = merged.report
    assert again["weights_sha256"] == first["weights_sha256"]
    for report in (again, first):
        del report["run"]
        for parent in report["models"]:
            del parent["revision"]  # the recipe asks for the commits themselves
        del report["data"]["revision"]
    assert again == first
    content = yaml.safe_load(recipe.read_text())
    assert all("@" in model for model in content["models"])
    assert "lambda" not in content  # only what differs from the defaults


def test_the_report_is_shown_from_the_folder_and_from_the_hub(
    merged: Merged, hubmerge: CommandLine
) -> None:
    here, there = (hubmerge("report", ref).succeeded() for ref in (merged.folder, merged.repo))
    assert merged.report["verdict_sentence"] in here.out
    assert there.out == here.out
    assert hubmerge("report", merged.repo, "--json").succeeded().json == merged.report


def test_pushing_again_does_nothing(heads: Merged, hubmerge: CommandLine, hub: EmbeddedHub) -> None:
    before = sha(hub, heads.repo)
    done = hubmerge("push", heads.folder, heads.repo, "--json").succeeded()
    assert done.json["changed"] is False
    assert done.json["commit"] == before == sha(hub, heads.repo)


def test_the_same_recipe_to_the_same_repository_is_nothing_to_do(
    heads: Merged, hubmerge: CommandLine, hub: EmbeddedHub, out: Path
) -> None:
    """On another machine, too, where its folder is not."""
    before = sha(hub, heads.repo)
    models = [f"me/{heads.family}-a", f"me/{heads.family}-b"]
    where = ["--push", heads.repo, "-o", out]
    done = hubmerge("merge", *models, "--dataset", "me/digits", *where).succeeded()
    assert "nothing was uploaded" in done.out
    assert sha(hub, heads.repo) == before
    assert {path.name for path in out.iterdir()} == FILES
    for name in FILES:
        assert (out / name).read_bytes() == (heads.folder / name).read_bytes()


def test_another_recipe_to_the_same_repository_is_refused(
    heads: Merged, hubmerge: CommandLine, hub: EmbeddedHub, out: Path
) -> None:
    before = sha(hub, heads.repo)
    models = [f"me/{heads.family}-a", f"me/{heads.family}-b"]
    where = ["--push", heads.repo, "-o", out, "--lambda", "0.4"]
    done = hubmerge("merge", *models, "--dataset", "me/digits", *where)
    done.refused(TargetError, "exists already")
    assert sha(hub, heads.repo) == before
    assert not out.exists()


def test_another_alignment_is_another_recipe(
    hubmerge: CommandLine, parents: dict[str, dict], hub: EmbeddedHub, repo: str, tmp_path: Path
) -> None:
    models = ["me/mlp-a", "me/mlp-b"]
    for name, given in (("w", ["weights"]), ("a", ["activations", "--dataset", "me/digits"])):
        hubmerge("match", *models, "--match", *given, "-o", tmp_path / name).succeeded()

    def merge(alignment: str, out: str) -> Done:
        where = ["--push", repo, "-o", tmp_path / out]
        return hubmerge("merge", *models, "--alignment", tmp_path / alignment, *where)

    merge("w", "made").succeeded()
    before = sha(hub, repo)
    for out in ("made", "elsewhere"):
        assert "nothing was uploaded" in merge("w", out).succeeded().out
        merge("a", out).refused(TargetError, "exists already")
    assert sha(hub, repo) == before


def test_a_merge_already_made_is_pushed_to_another_place(
    heads: Merged, hubmerge: CommandLine, hub: EmbeddedHub, repo: str, tmp_path: Path
) -> None:
    folder = Path(hub.api().snapshot_download(heads.repo, local_dir=tmp_path / "copy"))
    done = hubmerge("push", folder, repo, "--private").succeeded()
    assert f"{hub.url}/{repo}" in done.out
    info = hub.api().model_info(repo)
    assert info.private
    assert info.card_data is not None
    assert info.card_data.to_dict()["model-index"][0]["name"] == repo
    there = hub.api().hf_hub_download(repo, "report.json", local_dir=tmp_path / "there")
    report = json.loads(Path(there).read_text())
    assert report["weights_sha256"] == heads.report["weights_sha256"]
