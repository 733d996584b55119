"""ZeroGPU's way of lending a process, by the real `spaces` package, which lends none elsewhere."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from hubmerge.localhub import EmbeddedHub
from spaces_app.host import Host
from spaces_app.server import serving
from spaces_app.service.limits import Limits
from spaces_app.service.planner import recipe_json
from spaces_app.service.short_tasks import request
from spaces_app.service.worker import Worker
from spaces_app.service.zerogpu import ZEROGPU, ZeroGpuWorker, is_zerogpu, worker_for
from tests.helpers.jobs import quick

MERGE = """
import json, sys
import gradio
from spaces_app.host import Host
from spaces_app.server import serving
from spaces_app.service.zerogpu import ZeroGpuWorker, gpu_function
gpu_function()
heard = []
done = ZeroGpuWorker(json.loads(sys.argv[1])).run(heard.append)
with open(sys.argv[2], "w") as file:
    json.dump({"done": done, "heard": heard}, file)
"""


def test_the_environment_decides(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(ZEROGPU, raising=False)
    assert not is_zerogpu()
    assert type(worker_for({})) is Worker
    monkeypatch.setenv(ZEROGPU, "true")
    assert type(worker_for({})) is ZeroGpuWorker


def test_elsewhere_nothing_of_it_is_imported(hub: EmbeddedHub, tmp_path: Path) -> None:
    with serving(Host(tmp_path)) as app:
        assert app.context.jobs.is_healthy()
    assert "spaces" not in sys.modules


@pytest.mark.slow
def test_a_merge_in_the_process_that_spaces_gives(hub: EmbeddedHub, tmp_path: Path) -> None:
    folder = tmp_path / "job"
    folder.mkdir()
    content = {"recipe": recipe_json(quick()), "gpu_seconds": 60}
    asked = request("merge", folder, tmp_path / "cache", Limits(), content)
    command = [sys.executable, "-c", MERGE, json.dumps(asked), str(tmp_path / "said.json")]
    assert subprocess.run(command, timeout=300).returncode == 0
    said = json.loads((tmp_path / "said.json").read_text())
    assert sum(said["done"]["seconds"].values()) > 0
    stages = [each["name"] for each in said["heard"] if each["event"] == "Stage"]
    assert stages[0] == "plan"
    assert stages[-1] == "prepare"
    assert (folder / "merge" / "model.safetensors").is_file()
