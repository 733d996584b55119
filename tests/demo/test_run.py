"""The demo's preparations against a real embedded Hub, and (slow) the demo from end to end."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from hubmerge.demo.run import DATASET, Stage, _run, merged, parent, prepare
from hubmerge.demo.train import COURSES
from hubmerge.localhub import embedded_hub
from hubmerge.progress import be_quiet
from hubmerge.reporting.schema import Report

SHORT = replace(COURSES[0], epochs=1)
READ_BACK = """
import hubmerge.models
from datasets import load_dataset
from transformers import AutoImageProcessor, AutoModelForImageClassification
rows = load_dataset("demo/digits", split="test")
model = AutoModelForImageClassification.from_pretrained("demo/digits-mlp-b")
processor = AutoImageProcessor.from_pretrained("demo/digits-mlp-b")
logits = model(**processor([rows[0]["image"]], return_tensors="pt")).logits
print(len(rows), list(logits.shape), model.config.id2label[7])
"""


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    be_quiet()
    with embedded_hub(tmp_path / "hub") as hub:
        yield Stage(tmp_path, hub)


def test_parents_and_data_reach_the_hub_once(stage: Stage) -> None:
    prepare(stage, [SHORT])
    repos = [(DATASET, "dataset"), *((parent(SHORT, letter), "model") for letter in "ab")]
    api = stage.hub.api()
    heads = [api.repo_info(repo, repo_type=kind).sha for repo, kind in repos]
    made = [(stage.folder(repo) / "README.md").stat().st_mtime_ns for repo, _ in repos]

    prepare(stage, [SHORT])
    assert [api.repo_info(repo, repo_type=kind).sha for repo, kind in repos] == heads
    assert [(stage.folder(repo) / "README.md").stat().st_mtime_ns for repo, _ in repos] == made

    read = subprocess.run(
        [sys.executable, "-c", READ_BACK],
        env=stage.environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert read.stdout.split("\n")[0] == "500 [1, 10] seven", read.stderr


def test_a_command_that_fails_stops_the_demo_with_its_own_code(stage: Stage) -> None:
    with pytest.raises(subprocess.CalledProcessError) as failure:
        _run(stage, "python", [sys.executable], ["-c", "raise SystemExit(21)"])
    assert failure.value.returncode == 21


@pytest.mark.slow
def test_the_demo_merges_every_family_and_a_second_run_keeps_what_is_there(tmp_path: Path) -> None:
    def play() -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "hubmerge.cli", "demo", "-o", str(tmp_path)],
            capture_output=True,
            text=True,
            check=False,
        )

    first = play()
    assert first.returncode == 0, first.stderr[-4000:]
    weights = {}
    for course in COURSES:
        folder = tmp_path / merged(course)
        report = Report.read(folder)
        assert report.verdict_sentence in first.stdout
        assert f"/{merged(course)}" in first.stdout
        assert (folder / "README.md").is_file()
        assert (folder / "barrier.png").is_file()
        assert report.contenders.parent_a.accuracy > 0.95
        assert report.contenders.merge.accuracy > report.contenders.naive.accuracy - 0.02
        assert report.barrier.matched < report.barrier.naive
        weights[folder] = report.weights_sha256
    second = play()
    assert second.returncode == 0, second.stderr[-4000:]
    assert "$ hubmerge merge" not in second.stdout
    for folder, sha256 in weights.items():
        assert Report.read(folder).weights_sha256 == sha256
