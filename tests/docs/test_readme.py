"""The README's commands and python lines, run as they stand."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from datasets import Dataset, DatasetDict
from huggingface_hub import constants
from transformers import PreTrainedModel

from hubmerge.demo.digits import digits
from hubmerge.demo.train import PARENT_CONFIGS, ParentConfig, write_parent
from hubmerge.localhub import EmbeddedHub, embedded_hub
from hubmerge.models import MlpHeadConfig, MlpHeadForClassification
from hubmerge.reporting.schema.report import Report
from hubmerge.utils.progress import be_quiet
from tests.helpers.pages import ROOT, blocks

ROWS = {"train": 128, "test": 100}


def _tiny(labels: dict[str, Any]) -> PreTrainedModel:
    return MlpHeadForClassification(
        MlpHeadConfig(input_size=3 * 8 * 8, hidden_sizes=[16], **labels)
    )


TINY: ParentConfig = replace(PARENT_CONFIGS[0], build=_tiny, epochs=2)


def _few(splits: DatasetDict) -> DatasetDict:
    return DatasetDict({name: splits[name].select(range(n)) for name, n in ROWS.items()})


def _publish(hub: EmbeddedHub, folder: Path) -> None:
    """me/left, me/right and me/data: two small parents, and what they were trained on."""
    splits = _few(digits(test=500, validation=0))
    write_parent(folder / "left", TINY, 1, splits, repo="me/left", dataset="me/data")
    write_parent(folder / "right", TINY, 2, splits, repo="me/right", dataset="me/data")
    for name in ROWS:
        rows: Dataset = splits[name]
        (folder / "data").mkdir(exist_ok=True)
        rows.to_parquet(folder / "data" / f"{name}-00000-of-00001.parquet")
    for name, kind in (("left", "model"), ("right", "model"), ("data", "dataset")):
        hub.api().create_repo(f"me/{name}", repo_type=kind)
        hub.api().upload_folder(repo_id=f"me/{name}", folder_path=folder / name, repo_type=kind)


def test_the_readme_can_be_played_to_its_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    be_quiet()
    monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", True)
    with embedded_hub(tmp_path / "hub") as hub:
        _publish(hub, tmp_path)
        played = subprocess.run(
            [sys.executable, "-m", "tests.helpers.play_readme"],
            cwd=ROOT,
            env=hub.environment(home=tmp_path / "home"),
            capture_output=True,
            text=True,
            check=False,
        )
        said = f"{played.stdout}\n{played.stderr}"
        assert played.returncode == 0, said
        assert played.stdout.endswith("played to the end\n"), said
        for repo in ("me/both", "me/both-at-once"):
            files = hub.api().list_repo_files(repo)
            assert {"README.md", "model.safetensors", "report.json", "hubmerge.yaml"} <= {*files}


@pytest.mark.slow
def test_the_command_for_several_processes_gives_the_same_bytes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    be_quiet()
    monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", True)
    (block,) = blocks(ROOT / "docs" / "cli.md", "console")
    ((line, _),) = block.sessions()
    variable, launcher, *words = shlex.split(line)
    assert launcher == "torchrun"
    alone = [sys.executable, *words[words.index("-m") :]]
    together = [sys.executable, "-m", "torch.distributed.run", *words]
    hashes, processes = [], []
    with embedded_hub(tmp_path / "hub") as hub:
        _publish(hub, tmp_path)
        for folder, command in (("alone", alone), ("together", together)):
            (tmp_path / folder).mkdir()
            given = dict([variable.split("=")]) if command is together else {}
            environment = hub.environment(home=tmp_path / "home") | given
            subprocess.run(command, cwd=tmp_path / folder, env=environment, check=True)
            report = Report.read(tmp_path / folder / "both")
            hashes.append(report.weights_sha256)
            processes.append(report.run.processes)
    assert hashes[0] == hashes[1]
    assert processes == [1, 2]


def test_make_knows_the_two_commands() -> None:
    made = subprocess.run(
        ["make", "-n", "demo", "test"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert made.returncode == 0, made.stderr
    assert re.search(r"hubmerge demo -o demo-output", made.stdout)
    assert re.search(r'pytest -m "not slow"', made.stdout)
