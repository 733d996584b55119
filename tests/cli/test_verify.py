"""`hubmerge verify`: a good merge holds, and of a bad one it says exactly what does not."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from hubmerge.errors import NotFoundError, UncheckedError, VerificationError
from hubmerge.localhub import EmbeddedHub
from hubmerge.reporting.schema import Report
from hubmerge.reporting.write import write_report
from hubmerge.save import weight_hashes
from tests.cli import zoo
from tests.cli.command_line import CommandLine, Done
from tests.cli.conftest import Merged

MEASURED = {"n", "verdict", "contenders", "comparisons", "barrier", "method", "data", "limits"}


@pytest.fixture
def copy(merged: Merged, tmp_path: Path) -> Path:
    """The merge's folder, to be spoiled."""
    return Path(shutil.copytree(merged.folder, tmp_path / "copy"))


@pytest.fixture
def vit(main_job: Callable[[str], Merged], tmp_path: Path) -> Path:
    """The folder of the merge of the two ViTs, to be spoiled."""
    return Path(shutil.copytree(main_job("vit").folder, tmp_path / "vit"))


def ended(done: Done, outcome: str) -> set[tuple[str, str]]:
    """(part, what) of every check that ended so."""
    return {(c["part"], c["what"]) for c in done.json["checks"] if c["outcome"] == outcome}


def wrong(done: Done) -> set[tuple[str, str]]:
    """What does not hold, of a verification that failed for it."""
    done.refused(VerificationError, "is not what its report says")
    assert done.json["outcome"] == "does not hold"
    return ended(done, "does not hold")


def set_figure(folder: Path, *path: Any, to: Any, card: bool = True) -> None:
    """Another value in report.json; in the card as well, as a careful cheat does it."""
    content = json.loads((folder / "report.json").read_text())
    inner = content
    for step in path[:-1]:
        inner = inner[step]
    inner[path[-1]] = to
    report = Report.model_validate_json(json.dumps(content))
    if card:
        write_report(report, folder)
    else:
        (folder / "report.json").write_text(report.to_json())


def replace(file: Path, old: str, new: str) -> None:
    """Another text in a file that holds it."""
    text = file.read_text()
    assert old in text
    file.write_text(text.replace(old, new))


def test_a_good_merge_holds(merged: Merged, hubmerge: CommandLine) -> None:
    done = hubmerge("verify", merged.repo, "--json").succeeded()
    assert done.json["outcome"] == "identical"
    checked = ended(done, "identical")
    assert len(checked) == len(done.json["checks"])
    for name in ("parent_a", "parent_b", "naive", "merge", "ensemble"):
        for figure in ("accuracy", "loss", "calibrated_loss", "calibration_error"):
            assert ("contenders", f"contenders.{name}.{figure}") in checked
    points = merged.report["barrier"]["detail"]["matched"]["points"]
    losses = [what for _, what in checked if what.endswith("].loss") and "matched" in what]
    assert len(losses) == len(points)
    for part, what in (
        ("weights", "model.safetensors: made again"),
        ("weights", "model.safetensors: its hash in the report"),
        ("configuration", "config.json"),
        ("alignment", "alignment.safetensors"),
        ("card", "README.md"),
        ("card", "barrier.png"),
        ("recipe", "dataset"),
        ("data", "data.evaluation.fingerprint"),
    ):
        assert (part, what) in checked


def test_the_publishers_folder_can_be_checked(merged: Merged, hubmerge: CommandLine) -> None:
    told = hubmerge("verify", merged.folder).succeeded().out
    assert "Holds: everything came out identical." in told
    assert "Same versions as published with." in told


def test_a_merge_without_data_is_checked_whole(
    hubmerge: CommandLine, plain: Callable[[str], Path]
) -> None:
    done = hubmerge("verify", plain("resnet"), "--json").succeeded()
    assert done.json["outcome"] == "identical"
    assert ("weights", "model.safetensors: made again") in ended(done, "identical")


def test_a_tampered_weight(
    merged: Merged, copy: Path, hubmerge: CommandLine, hub: EmbeddedHub, repo: str
) -> None:
    tensors = load_file(copy / "model.safetensors")
    name = max(tensors, key=lambda name: tensors[name].numel())
    tensors[name].view(-1)[7] += tensors[name].abs().max() / 100
    save_file(tensors, copy / "model.safetensors", {"format": "pt"})
    zoo.push(hub, repo, copy)
    done = hubmerge("verify", repo, "--json")
    hashed = ("weights", "model.safetensors: its hash in the report")
    assert wrong(done) == {hashed, ("weights", name)}
    (check,) = [c for c in done.json["checks"] if c["what"] == name]
    assert check["deviation"] == pytest.approx(0.01, rel=0.05)
    assert f"1 of {tensors[name].numel():,} elements are off" in check["why"]
    set_figure(copy, "weights_sha256", to=weight_hashes(copy))
    assert wrong(hubmerge("verify", copy, "--json")) == {("weights", name)}


def test_weights_of_other_parents(
    main_job: Callable[[str], Merged], parents: dict[str, dict], vit: Path, hubmerge: CommandLine
) -> None:
    shutil.copyfile(parents["vit"]["a"] / "model.safetensors", vit / "model.safetensors")
    set_figure(vit, "weights_sha256", to=weight_hashes(vit))
    parts = {part for part, _ in wrong(hubmerge("verify", vit, "--weights-only", "--json"))}
    assert parts == {"weights"}


def test_a_tampered_figure(vit: Path, hubmerge: CommandLine, hub: EmbeddedHub, repo: str) -> None:
    before = json.loads((vit / "report.json").read_text())["contenders"]["naive"]["loss"]
    set_figure(vit, "contenders", "naive", "loss", to=before + 0.5)
    zoo.push(hub, repo, vit)
    done = hubmerge("verify", repo, "--json")
    assert wrong(done) == {("contenders", "contenders.naive.loss")}
    (check,) = [c for c in done.json["checks"] if c["what"] == "contenders.naive.loss"]
    assert (check["said"], check["found"]) == (before + 0.5, before)
    told = hubmerge("verify", repo)
    told.refused(VerificationError, "contenders: contenders.naive.loss")
    assert f"said {before + 0.5}, found {before}" in told.out


def test_a_figure_tampered_in_the_card_alone(vit: Path, hubmerge: CommandLine) -> None:
    accuracy = json.loads((vit / "report.json").read_text())["contenders"]["merge"]["accuracy"]
    replace(vit / "README.md", f"value: {accuracy}\n", "value: 0.999\n")
    found = wrong(hubmerge("verify", vit, "--weights-only", "--json"))
    assert found == {("card", "model-index[0].results[0].metrics[0].value")}


def test_a_verdict_that_does_not_follow(vit: Path, hubmerge: CommandLine) -> None:
    set_figure(vit, "verdict", to="better than both parents")
    found = wrong(hubmerge("verify", vit, "--weights-only", "--json"))
    assert found == {("verdict", "by the rule.verdict")}


def test_labels_that_were_exchanged(vit: Path, hubmerge: CommandLine) -> None:
    config = json.loads((vit / "config.json").read_text())
    labels = config["id2label"]
    labels["3"], labels["8"] = labels["8"], labels["3"]
    (vit / "config.json").write_text(json.dumps(config))
    found = wrong(hubmerge("verify", vit, "--weights-only", "--json"))
    assert found == {
        ("configuration", "config.json.id2label.3"),
        ("configuration", "config.json.id2label.8"),
    }


def remake(
    hubmerge: CommandLine, hub: EmbeddedHub, parents: dict[str, dict], repo: str, tmp: Path
) -> Path:
    """A small measured merge of two models that are this test's own, pushed to `repo`."""
    for letter in "ab":
        zoo.push(hub, f"{repo}-{letter}", parents["mlp"][letter])
    zoo.push(hub, f"{repo}-data", zoo.write_data(tmp / "rows", zoo.rows()), "dataset")
    data = ["--dataset", f"{repo}-data", "--match", "weights", "--samples", 100]
    where = ["-o", tmp / "made", "--push", repo]
    hubmerge("merge", f"{repo}-a", f"{repo}-b", *data, *where).succeeded()
    return tmp / "made"


def test_a_moved_parent(
    hubmerge: CommandLine, hub: EmbeddedHub, parents: dict[str, dict], repo: str, tmp_path: Path
) -> None:
    """Its main branch: a remark. The commit in the recipe: just that. In both: the weights."""
    made = remake(hubmerge, hub, parents, repo, tmp_path)
    report = json.loads((made / "report.json").read_text())
    old = report["models"][1]["sha"]
    moved = tmp_path / "moved"
    shutil.copytree(parents["mlp"]["b"], moved)
    tensors = load_file(moved / "model.safetensors")
    save_file({name: value * 1.5 for name, value in tensors.items()}, moved / "model.safetensors")
    hub.api().upload_folder(repo_id=f"{repo}-b", folder_path=moved)
    new = str(hub.api().model_info(f"{repo}-b").sha)

    done = hubmerge("verify", repo, "--json").succeeded()
    assert done.json["outcome"] == "identical"
    assert done.json["remarks"] == [
        f"parent B, {repo}-b, has moved on to {new[:12]}; what was checked is the recorded commit "
        f"{old[:12]}"
    ]

    replace(made / "hubmerge.yaml", old, new)
    done = hubmerge("verify", made, "--json")
    assert wrong(done) == {("recipe", "model_b")}
    assert ("weights", "model.safetensors: made again") in ended(done, "identical")

    set_figure(made, "models", 1, "sha", to=new)
    done = hubmerge("verify", made, "--json")
    found = wrong(done)
    assert {what for part, what in found if part == "weights"} == set(
        load_file(made / "model.safetensors")
    )
    assert ("contenders", "contenders.parent_b.loss") in found
    assert ("contenders", "contenders.parent_a.loss") in ended(done, "identical")


def test_what_is_gone_is_said_and_never_taken_for_good(
    hubmerge: CommandLine, hub: EmbeddedHub, parents: dict[str, dict], repo: str, tmp_path: Path
) -> None:
    """First the data set, then a parent."""
    made = remake(hubmerge, hub, parents, repo, tmp_path)
    hub.api().delete_repo(f"{repo}-data", repo_type="dataset")
    done = hubmerge("verify", repo, "--json")
    done.refused(UncheckedError, "could not be checked in full")
    assert done.json["outcome"] == "not checked"
    assert ended(done, "not checked") == {(part, f"everything in {part}") for part in MEASURED}
    assert ("weights", "model.safetensors: made again") in ended(done, "identical")
    told = hubmerge("verify", made)
    told.refused(UncheckedError)
    assert "Not settled" in told.out
    assert f"the data set, {repo}-data@" in told.out
    hubmerge("verify", repo, "--weights-only").succeeded()

    hub.api().delete_repo(f"{repo}-b")
    done = hubmerge("verify", repo, "--json")
    done.refused(UncheckedError)
    assert ("weights", "everything in weights") in ended(done, "not checked")
    assert ("weights", "model.safetensors: its hash in the report") in ended(done, "identical")
    assert done.json["remade_with"] is None


def test_weights_only_takes_no_data(merged: Merged, hubmerge: CommandLine, tmp_path: Path) -> None:
    """Where batch norms were re-estimated on data, it says that their statistics are unknown."""
    env = {"HF_HUB_CACHE": str(tmp_path / "cache")}
    done = hubmerge("verify", merged.repo, "--weights-only", "--json", env=env)
    assert not list(tmp_path.rglob("*.parquet"))
    assert not ended(done, "does not hold")
    assert not {part for part, _ in ended(done, "identical")} & {"contenders", "barrier"}
    if merged.family != "resnet":
        assert done.succeeded().json["outcome"] == "identical"
        return
    done.refused(UncheckedError)
    tensors = load_file(merged.folder / "model.safetensors")
    statistics = [name for name in tensors if "running_" in name or "num_batches" in name]
    (unknown,) = ended(done, "not checked")
    assert unknown == (
        "weights",
        f"model.safetensors: {len(statistics)} statistics of batch norms",
    )
    known = len(tensors) - len(statistics)
    alike = ("weights", f"model.safetensors: {known} of {known} tensors")
    assert alike in ended(done, "identical")


def test_an_alignment_of_other_models_is_noticed(vit: Path, hubmerge: CommandLine) -> None:
    tensors = load_file(vit / "alignment.safetensors")
    name = next(name for name, value in tensors.items() if value.dtype == torch.int64)
    save_file({name: tensors[name]}, vit / "alignment.safetensors")
    found = wrong(hubmerge("verify", vit, "--weights-only", "--json"))
    assert found == {("weights", "all of them")}


def test_what_is_no_merge(hubmerge: CommandLine, parents: dict[str, dict]) -> None:
    done = hubmerge("verify", "me/vit-a")
    done.refused(NotFoundError, "no merge that can be checked", "report.json")
    hubmerge("verify", "me/not-there").refused(NotFoundError, "me/not-there")


OTHER_ARITHMETIC = {
    "ATEN_CPU_CAPABILITY": "default",
    "MKL_ENABLE_INSTRUCTIONS": "SSE4_2",
    "ONEDNN_MAX_CPU_ISA": "SSE41",
    "OPENBLAS_CORETYPE": "Nehalem",
    "NPY_DISABLE_CPU_FEATURES": "AVX2 FMA3 AVX512F",
}
"""Makes torch, its libraries and numpy calculate as on a processor of 2009: sums in other order."""


def test_another_machines_arithmetic_is_within_the_tolerance(
    merged: Merged, hubmerge: CommandLine
) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "hubmerge.cli", "verify", merged.repo, "--json", "-q"],
        env=os.environ | hubmerge.environment | OTHER_ARITHMETIC,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["outcome"] in ("identical", "equivalent")


IN_PYTHON = """
import hubmerge as hm
found = hm.verify("me/mlp-merged", weights_only=True).require()
print(found.outcome, len(found.checks) > 10)
"""


def test_in_python(hubmerge: CommandLine, main_job: Callable[[str], Merged]) -> None:
    main_job("mlp")
    assert hubmerge(code=IN_PYTHON).succeeded().out == "identical True\n"


@pytest.mark.slow
def test_on_two_processes(hubmerge: CommandLine, main_job: Callable[[str], Merged]) -> None:
    done = hubmerge("verify", main_job("mlp").repo, "--json", processes=2)
    assert done.codes == (0, 0)
    assert done.json["outcome"] == "identical"
