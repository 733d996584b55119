"""`hubmerge verify`: a good merge holds, and of a bad one it says exactly what does not."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from hubmerge.errors import NotFoundError, UncheckedError, VerificationError
from hubmerge.localhub import EmbeddedHub
from hubmerge.pipeline.weight_hashes import weight_hashes
from tests.helpers import zoo
from tests.helpers.checking import ended, replace, set_figure, wrong
from tests.helpers.command_line import CommandLine
from tests.helpers.merged import Merged


@pytest.fixture
def copy(heads: Merged, tmp_path: Path) -> Path:
    """The merge's folder, to be spoiled."""
    return Path(shutil.copytree(heads.folder, tmp_path / "copy"))


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


def test_the_publishers_folder_can_be_checked(heads: Merged, hubmerge: CommandLine) -> None:
    reported = hubmerge("verify", heads.folder).succeeded().out
    assert "Holds: everything came out identical." in reported
    assert "Same versions as published with." in reported


def test_a_merge_without_data_is_checked_whole(
    hubmerge: CommandLine, plain: Callable[[str], Path]
) -> None:
    done = hubmerge("verify", plain("resnet"), "--json").succeeded()
    assert done.json["outcome"] == "identical"
    assert ("weights", "model.safetensors: made again") in ended(done, "identical")


def test_a_merge_by_another_arithmetic_is_measured_and_not_made_again(
    copy: Path, hubmerge: CommandLine
) -> None:
    set_figure(copy, "run", "arithmetic", to=0)
    recipe = copy / "hubmerge.yaml"
    recipe.write_text(re.sub(r"(?m)^arithmetic: \d+$", "arithmetic: 0", recipe.read_text()))
    done = hubmerge("verify", copy, "--json")
    assert done.code == UncheckedError.exit_code
    assert not ended(done, "does not hold")
    held = ended(done, "identical")
    for check in (
        ("weights", "model.safetensors: its hash in the report"),
        ("weights", "loaded as published"),
        ("published", "contenders.merge.loss"),
        ("published", "contenders.merge.accuracy"),
    ):
        assert check in held
    assert ("weights", "everything in weights") in ended(done, "not checked")
    assert "not settled: made by version" in done.out
    set_figure(copy, "contenders", "merge", "accuracy", to=0.123)
    spoiled = hubmerge("verify", copy, "--json")
    assert ("published", "contenders.merge.accuracy") in ended(spoiled, "does not hold")


def test_a_tampered_weight(copy: Path, hubmerge: CommandLine, hub: EmbeddedHub, repo: str) -> None:
    tensors = load_file(copy / "model.safetensors")
    name = max(tensors, key=lambda name: tensors[name].numel())
    tensors[name].view(-1)[7] += tensors[name].abs().max() / 100
    save_file(tensors, copy / "model.safetensors", {"format": "pt"})
    zoo.push(hub, repo, copy)
    done = hubmerge("verify", repo, "--json")
    hashed = ("weights", "model.safetensors: its hash in the report")
    again = ("weights", "model.safetensors: the report's hash, made again")
    of_files = {each for each in wrong(done) if each[0] != "published"}
    assert of_files == {hashed, ("weights", name)}
    (check,) = [c for c in done.json["checks"] if c["what"] == name]
    assert check["deviation"] * 2**-23 == pytest.approx(0.01, rel=0.05)
    assert f"1 of {tensors[name].numel():,} elements are off" in check["why"]
    set_figure(copy, "weights_sha256", to=weight_hashes(copy))
    found = wrong(hubmerge("verify", copy, "--json", "--weights-only"))
    assert found - {again} == {("weights", name)}


def test_weights_of_other_parents(
    parents: dict[str, dict], copy: Path, hubmerge: CommandLine
) -> None:
    shutil.copyfile(parents["mlp"]["a"] / "model.safetensors", copy / "model.safetensors")
    set_figure(copy, "weights_sha256", to=weight_hashes(copy))
    parts = {part for part, _ in wrong(hubmerge("verify", copy, "--weights-only", "--json"))}
    assert parts == {"weights"}


def test_a_tampered_figure(copy: Path, hubmerge: CommandLine, hub: EmbeddedHub, repo: str) -> None:
    before = json.loads((copy / "report.json").read_text())["contenders"]["naive"]["loss"]
    set_figure(copy, "contenders", "naive", "loss", to=before + 0.5)
    zoo.push(hub, repo, copy)
    done = hubmerge("verify", repo, "--json")
    assert wrong(done) == {("contenders", "contenders.naive.loss")}
    (check,) = [c for c in done.json["checks"] if c["what"] == "contenders.naive.loss"]
    assert (check["said"], check["found"]) == (before + 0.5, before)
    reported = hubmerge("verify", repo)
    reported.refused(VerificationError, "contenders: contenders.naive.loss")
    assert f"said {before + 0.5}, found {before}" in reported.out


def test_a_figure_tampered_in_the_card_alone(copy: Path, hubmerge: CommandLine) -> None:
    accuracy = json.loads((copy / "report.json").read_text())["contenders"]["merge"]["accuracy"]
    replace(copy / "README.md", f"value: {accuracy}\n", "value: 0.999\n")
    found = wrong(hubmerge("verify", copy, "--weights-only", "--json"))
    assert found == {("card", "model-index[0].results[0].metrics[0].value")}


def test_a_verdict_that_does_not_follow(copy: Path, hubmerge: CommandLine) -> None:
    set_figure(copy, "verdict", to="better than both parents")
    found = wrong(hubmerge("verify", copy, "--weights-only", "--json"))
    assert found == {("verdict", "by the rule.verdict")}


def test_labels_that_were_exchanged(copy: Path, hubmerge: CommandLine) -> None:
    config = json.loads((copy / "config.json").read_text())
    labels = config["id2label"]
    labels["3"], labels["8"] = labels["8"], labels["3"]
    config["label2id"] = {name: int(number) for number, name in labels.items()}
    (copy / "config.json").write_text(json.dumps(config))
    found = wrong(hubmerge("verify", copy, "--weights-only", "--json"))
    assert found == {
        ("configuration", "config.json.id2label.3"),
        ("configuration", "config.json.id2label.8"),
        ("configuration", f"config.json.label2id.{labels['3']}"),
        ("configuration", f"config.json.label2id.{labels['8']}"),
    }


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


def test_an_alignment_of_other_models_is_noticed(copy: Path, hubmerge: CommandLine) -> None:
    tensors = load_file(copy / "alignment.safetensors")
    name = next(name for name, value in tensors.items() if value.dtype == torch.int64)
    save_file({name: tensors[name]}, copy / "alignment.safetensors")
    found = wrong(hubmerge("verify", copy, "--weights-only", "--json"))
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


@pytest.fixture(scope="session")
def other_machine(
    hubmerge: CommandLine, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[CommandLine]:
    """The command line on such a processor."""
    line = CommandLine(hubmerge.environment | OTHER_ARITHMETIC, tmp_path_factory.mktemp("other"))
    yield line
    line.close()


@pytest.mark.parametrize("family", ["mlp", "vit", pytest.param("resnet", marks=pytest.mark.slow)])
def test_another_machines_arithmetic_is_within_the_tolerance(
    family: str, main_job: Callable[[str], Merged], other_machine: CommandLine
) -> None:
    done = other_machine("verify", main_job(family).repo, "--json", "-q").succeeded()
    assert done.json["outcome"] in ("identical", "equivalent")


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
