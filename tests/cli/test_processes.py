"""On two processes: the same bytes and the same report, and refusals that end on both."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from hubmerge.errors import DataError, NotFoundError, ResourceError, TargetError
from hubmerge.localhub import EmbeddedHub
from hubmerge.models import shaken
from tests.helpers.command_line import CommandLine
from tests.helpers.jobs import until
from tests.helpers.merged import Merged
from tests.helpers.tiny import TINY

LIMIT = 300
TORCHRUN = ("-m", "torch.distributed.run", "--nproc_per_node", "2")
ACCELERATE = ("-m", "accelerate.commands.launch", "--multi_gpu", "--num_processes", "2")


def but_for_the_run(report: dict[str, Any]) -> dict[str, Any]:
    return {name: part for name, part in report.items() if name != "run"}


@pytest.mark.parametrize("family", ["mlp", "resnet", pytest.param("vit", marks=pytest.mark.slow)])
def test_two_processes_do_what_one_does(
    family: str, main_job: Callable[[str], Merged], hubmerge: CommandLine, out: Path
) -> None:
    merged = main_job(family)
    models = [f"me/{merged.family}-{letter}" for letter in "ab"]
    options = ["--dataset", "me/digits", "-o", out, "--json"]
    done = hubmerge("merge", *models, *options, processes=2).succeeded()
    assert done.codes == (0, 0)
    assert done.json["run"]["processes"] == 2
    assert merged.report["run"]["processes"] == 1
    assert but_for_the_run(done.json) == but_for_the_run(merged.report)
    expected = (merged.folder / "model.safetensors").read_bytes()
    assert (out / "model.safetensors").read_bytes() == expected


def test_a_process_whose_neighbour_was_killed_says_so(
    hubmerge: CommandLine, parents: dict[str, dict], out: Path
) -> None:
    options = ["--dataset", "me/digits", "--effort", "quick", "--path", "full", "-o", out]
    running = hubmerge.start("merge", "me/vit-a", "me/vit-b", *options, processes=2)
    until(lambda: any(out.parent.glob(".*")))  # where it works until it is whole
    os.kill(running.pids[1], signal.SIGKILL)
    done = running.wait().refused(ResourceError, "another process of this run has died", "again")
    assert done.codes == (ResourceError.exit_code, -signal.SIGKILL)
    assert not out.exists()


@pytest.mark.slow
def test_every_other_choice_on_two_processes(
    hubmerge: CommandLine, parents: dict[str, dict], tmp_path: Path
) -> None:
    few = ("--samples", 60, "--calibration-samples", 70, "--json")
    options = (
        "--dataset",
        "me/digits",
        "--lambda",
        "auto",
        "--repair",
        "repair",
        "--match",
        "weights",
        *few,
    )
    one, two = (
        hubmerge("merge", "me/mlp-a", "me/mlp-b", *options, "-o", tmp_path / str(n), processes=n)
        .succeeded()
        .json
        for n in (1, 2)
    )
    assert but_for_the_run(two) == but_for_the_run(one)


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        pytest.param(["me/mlp-a", "me/nothing"], NotFoundError, id="by the first process"),
        pytest.param(
            ["me/mlp-a", "me/mlp-b", "--dataset", "me/digits", "--label-column", "no"],
            DataError,
            id="late",
        ),
        pytest.param(["me/mlp-a", "me/mlp-b", "-o", "/proc/version"], TargetError, id="target"),
    ],
)
def test_a_refusal_ends_both(
    hubmerge: CommandLine,
    parents: dict[str, dict],
    arguments: list[str],
    error: type[Exception],
    tmp_path: Path,
) -> None:
    done = hubmerge("merge", *arguments, processes=2, cwd=tmp_path)
    assert done.codes == (error.exit_code, error.exit_code)
    assert done.err.count(error.__name__) == 1
    assert not list(tmp_path.iterdir())


@pytest.mark.slow
@pytest.mark.parametrize(
    "launcher", [pytest.param(TORCHRUN, id="torchrun"), pytest.param(ACCELERATE, id="accelerate")]
)
def test_real_launchers(
    hub: EmbeddedHub,
    hubmerge: CommandLine,
    parents: dict[str, dict],
    launcher: tuple[str, ...],
    tmp_path: Path,
) -> None:
    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, *launcher, "-m", "hubmerge.cli", *arguments],
            env=hub.environment(home=tmp_path / "home"),
            capture_output=True,
            text=True,
            check=False,
            timeout=LIMIT,
        )

    arguments = ["merge", "me/resnet-a", "me/resnet-b", "--dataset", "me/digits", "--json"]
    two, one = tmp_path / "two", tmp_path / "one"
    done = run(*arguments, "--samples", "60", "-o", str(two))
    assert done.returncode == 0, done.stderr
    reported = json.loads(done.stdout)
    assert reported["run"]["processes"] == 2
    alone = hubmerge(*arguments, "--samples", "60", "-o", one).succeeded()
    assert but_for_the_run(reported) == but_for_the_run(alone.json)
    refused = run("merge", "me/resnet-a", "me/nothing", "-o", str(tmp_path / "no"))
    assert refused.returncode != 0
    assert refused.stderr.count("NotFoundError: ") == 1
    assert not (tmp_path / "no").exists()


@pytest.mark.slow
@pytest.mark.parametrize("fuse", [(), ("--fuse", "ties", "--base")], ids=["average", "ties"])
def test_two_processes_share_the_shards_of_a_merge_from_disk_to_disk(
    hubmerge: CommandLine, tmp_path: Path, fuse: tuple[str, ...]
) -> None:
    for seed in range(3):
        model = shaken(TINY["llama"].build(), seed)
        model.save_pretrained(tmp_path / f"p{seed}", max_shard_size="4KB")
    flags = [*fuse, *([tmp_path / "p2"] if fuse else [])]
    models = [tmp_path / "p0", tmp_path / "p1"]
    for count in (1, 2):
        out = tmp_path / str(count)
        options = ("--match", "none", "--repair", "none", "-o", out, *flags)
        hubmerge("merge", *models, *options, processes=count).succeeded()
    one, two = (
        {path.name: path.read_bytes() for path in (tmp_path / str(count)).glob("model*")}
        for count in (1, 2)
    )
    assert len(one) > 3
    assert two == one
    assert not list(tmp_path.glob(".*"))


DIES = """
import os, signal, sys
from hubmerge.pipeline import stream

note = stream.note

def noted(place, file, sha256):
    note(place, file, sha256)
    if os.environ["RANK"] == "1":
        os.kill(os.getpid(), signal.SIGKILL)

stream.note = noted
from hubmerge.cli import main
main()
"""
"""Hubmerge, whose second process is killed as soon as its first file is whole."""


def test_one_of_two_processes_dies_in_a_merge_from_disk_to_disk(
    hubmerge: CommandLine, tmp_path: Path
) -> None:
    for seed in range(2):
        model = shaken(TINY["llama"].build(), seed)
        model.save_pretrained(tmp_path / f"p{seed}", max_shard_size="4KB")
    words = ["merge", tmp_path / "p0", tmp_path / "p1", "--match", "none", "--repair", "none"]
    out = tmp_path / "out"
    done = hubmerge(*words, "-o", out, processes=2, code=DIES)
    done.refused(ResourceError, "another process of this run has died", "not done twice")
    assert done.codes == (ResourceError.exit_code, -signal.SIGKILL)
    assert not out.exists()
    (kept,) = tmp_path.glob(".out.shards-*")
    whole = {path.name: path.stat().st_mtime_ns for path in kept.glob("model*")}
    assert whole
    hubmerge(*words, "-o", out).succeeded()
    assert whole.items() <= {p.name: p.stat().st_mtime_ns for p in out.glob("model*")}.items()
    hubmerge(*words, "-o", tmp_path / "plain").succeeded()
    one, other = (
        {path.name: path.read_bytes() for path in (tmp_path / name).glob("model*")}
        for name in ("out", "plain")
    )
    assert one == other
    assert not list(tmp_path.glob(".*"))
