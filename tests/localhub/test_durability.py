"""Parallel writers lose nothing, and a killed server leaves everything whole."""

from __future__ import annotations

import hashlib
import io
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from huggingface_hub import CommitOperationAdd, HfApi
from huggingface_hub.errors import HfHubHTTPError

from hubmerge.errors import RecipeError
from hubmerge.localhub import EmbeddedHub, embedded_hub

PATIENCE = 120
"""Seconds after which something hangs: many times what it takes."""

WRITER = """
import sys
from concurrent.futures import ThreadPoolExecutor
from huggingface_hub import CommitOperationAdd, HfApi
from huggingface_hub.errors import HfHubHTTPError
who = sys.argv[1]
def write(n):
    HfApi().upload_file(path_or_fileobj=f"{who} {n}".encode(), path_in_repo=f"{who}/{n}.txt",
                        repo_id="me/shared")
with ThreadPoolExecutor(3) as pool:
    list(pool.map(write, range(8)))
"""

SERVER = """
import signal, sys
from pathlib import Path
from hubmerge.localhub import serve
signal.signal(signal.SIGINT, signal.default_int_handler)  # a test run in the background ignores it
serve(Path(sys.argv[1]), int(sys.argv[2]))
"""


def spawn(code: str, *arguments: object, **options: object) -> subprocess.Popen:
    return subprocess.Popen([sys.executable, "-c", code, *map(str, arguments)], **options)


def check_whole(root: Path) -> None:
    """Every ref names a commit, every commit's id and blobs are what they say."""
    for state in root.glob("repos/*/*/*/state.json"):
        for oid in json.loads(state.read_bytes())["refs"].values():
            assert (state.parent / "commits" / f"{oid}.json").exists()
        for commit in (state.parent / "commits").iterdir():
            assert hashlib.sha1(commit.read_bytes()).hexdigest() == commit.stem
            for entry in json.loads(commit.read_bytes())["tree"].values():
                blob = root / "blobs" / entry["sha256"][:2] / entry["sha256"]
                assert blob.stat().st_size == entry["size"]
    for blob in root.glob("blobs/*/*"):
        assert hashlib.sha256(blob.read_bytes()).hexdigest() == blob.name


def test_two_processes_writing_to_one_branch_lose_nothing(tmp_path: Path) -> None:
    """Two servers over one folder as well: the lock is between processes, not in one."""
    root = tmp_path / "hub"
    with embedded_hub(root) as left, embedded_hub(root) as right:
        left.api().create_repo("me/shared")
        writers = [
            spawn(WRITER, name, env=hub.environment(tmp_path / name))
            for name, hub in (("a", left), ("b", right))
        ]
        assert [writer.wait(PATIENCE) for writer in writers] == [0, 0]
        files = set(right.api().list_repo_files("me/shared"))
        commits = left.api().list_repo_commits("me/shared")
    assert files == {f"{who}/{n}.txt" for who in "ab" for n in range(8)}
    assert len(commits) == 17
    check_whole(root)


def test_only_one_of_many_makes_the_repository(hub: EmbeddedHub) -> None:
    answers: list[int] = []

    def make() -> None:
        try:
            hub.api().create_repo("me/contended")
            answers.append(200)
        except HfHubHTTPError as error:
            answers.append(error.response.status_code)

    threads = [threading.Thread(target=make) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(answers) == [200] + [409] * 7


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return probe.getsockname()[1]


def wait_for(port: int) -> None:
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        try:
            socket.create_connection(("127.0.0.1", port), 0.2).close()
            return
        except OSError:
            time.sleep(0.05)
    pytest.fail("the server did not start")


class Halting(io.BytesIO):
    """Bytes of which, once it is set to `halt`, only the first half comes until it may `go_on`."""

    def __init__(self, content: bytes) -> None:
        super().__init__(content)
        self._half = len(content) // 2
        self._open = threading.Event()
        self.go_on = self._open.set
        self.halt = self._open.clear
        self.go_on()

    def read(self, size: int | None = -1) -> bytes:
        if self.tell() >= self._half:
            assert self._open.wait(PATIENCE)
        return super().read(size)


def test_a_server_killed_in_the_middle_of_an_upload(tmp_path: Path) -> None:
    """On disk is the state before; once the server is back, the client's own retry completes."""
    root, port = tmp_path / "hub", free_port()
    content = Halting(os.urandom(40_000_000))
    with embedded_hub(root) as hub:
        token = hub.token
        hub.api().create_repo("me/w")
        hub.api().upload_file(path_or_fileobj=b"old", path_in_repo="a.txt", repo_id="me/w")
        before = hub.api().model_info("me/w").sha
    server = spawn(SERVER, root, port, stdout=subprocess.DEVNULL)
    api = HfApi(endpoint=f"http://127.0.0.1:{port}", token=token)
    files = [CommitOperationAdd("a.txt", b"new"), CommitOperationAdd("w.bin", content)]
    wait_for(port)
    content.halt()
    with ThreadPoolExecutor(1) as pool:
        upload = pool.submit(api.create_commit, "me/w", files, commit_message="big")
        wait_for_bytes(root)
        server.kill()
        server.wait()
        content.go_on()
        assert list((root / "tmp").glob("*/*")), "nothing was on its way: the kill came too late"
        check_whole(root)
        with embedded_hub(root, port) as hub:
            assert len(list((root / "tmp").iterdir())) == 2, "what the killed server left is gone"
            assert hub.api().model_info("me/w").sha in (before, upload.result(PATIENCE).oid)
            assert hub.api().list_repo_files("me/w") == ["a.txt", "w.bin"]
    check_whole(root)


def wait_for_bytes(root: Path) -> None:
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        if any(path.stat().st_size > 1_000_000 for path in (root / "tmp").glob("*/*")):
            return
        time.sleep(0.01)
    pytest.fail("no bytes arrived")


def test_serve_says_how_to_reach_it_and_ends_on_ctrl_c(tmp_path: Path) -> None:
    port = free_port()
    server = spawn(SERVER, tmp_path, port, stdout=subprocess.PIPE, text=True)
    said = "".join(iter(server.stdout.readline, "Ctrl-C stops it.\n"))
    server.send_signal(signal.SIGINT)
    assert "everything is on disk" in server.communicate(timeout=PATIENCE)[0]
    assert server.returncode == 0
    assert f"HF_ENDPOINT=http://127.0.0.1:{port}" in said
    assert str(tmp_path / "tokens.json") in said


def test_a_taken_port_is_named(hub: EmbeddedHub, tmp_path: Path) -> None:
    port = int(hub.url.rpartition(":")[2])
    with pytest.raises(RecipeError, match=str(port)), embedded_hub(tmp_path, port):
        pass
