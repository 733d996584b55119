"""A disk of the embedded Hub that fills in the middle: 507, nothing half-published, no remains."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.helpers.command_line import CommandLine, Mount

SIZE = 3_000_000
"""Bytes of the disk, of which the server's own files take few."""
FILLED = """
import json, os, pathlib
from huggingface_hub import CommitOperationAdd
from huggingface_hub.errors import HfHubHTTPError
from hubmerge.localhub import embedded_hub
SIZE, root, weights = {size}, pathlib.Path({root!r}), pathlib.Path({weights!r})
text = "line " * 100_000
seen = {{}}

def remains():
    return sorted(path.name for path in (root / "tmp").glob("*/*"))

def attempt(name, operations):
    try:
        sent.create_commit("guest/m", operations(), commit_message=name)
        seen[name] = "done"
    except (HfHubHTTPError, RuntimeError) as error:
        error = error.__cause__ if isinstance(error, RuntimeError) else error
        seen[name] = error.response.status_code
    files = sorted(api.list_repo_files("guest/m"))
    seen[name + " after"] = [files, remains(), hub_of.quota.sent("guest")]

with embedded_hub(root) as hub:
    from hubmerge.localhub import limits
    from hubmerge.localhub.store import Store
    limits.FREE = -SIZE  # so that the disk itself is what ends it
    hub_of = Store(root)
    api, sent = hub.api(), hub.api(hub.add_user("guest"))
    sent.create_repo("guest/m")
    ballast = root.with_name("ballast")
    ballast.write_bytes(bytes(os.statvfs(root).f_bavail * 4096 - 300_000))
    many = lambda: [CommitOperationAdd(f"{{n}}.txt", f"{{n}}{{text}}".encode()) for n in range(2)]
    large = lambda: [CommitOperationAdd("w.bin", str(weights)), CommitOperationAdd("a.txt", b"a")]
    seen["start"] = hub_of.quota.sent("guest")
    attempt("text", many)
    attempt("large", large)
    ballast.unlink()
    attempt("text again", many)
    attempt("large again", large)
print(json.dumps(seen))
"""


@pytest.fixture
def hubmerge(tmp_path: Path) -> Iterator[CommandLine]:
    own = {"HOME": str(tmp_path), "HF_HUB_DISABLE_XET": "1", "NO_PROXY": "127.0.0.1"}
    line = CommandLine(os.environ | own, tmp_path)
    yield line
    line.close()


@pytest.mark.slow
def test_a_disk_that_fills_within_a_commit(hubmerge: CommandLine, tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    weights = tmp_path / "w.bin"
    weights.write_bytes(bytes(range(256)) * 4000)
    code = FILLED.format(size=SIZE, root=str(disk / "hub"), weights=str(weights))
    done = hubmerge(code=code, mounts=(Mount(disk, options=f"size={SIZE}"),)).succeeded()
    seen = json.loads(done.out.splitlines()[-1])
    nothing = [[], [], seen["start"]]
    assert (seen["text"], seen["text after"]) == (507, nothing)
    assert (seen["large"], seen["large after"]) == (507, nothing)
    assert (seen["text again"], seen["large again"]) == ("done", "done")
    files, remains, sent = seen["large again after"]
    assert (files, remains) == (["0.txt", "1.txt", "a.txt", "w.bin"], [])
    assert sent > seen["start"] + weights.stat().st_size
