"""`hubmerge app` in a process of its own, to be ended as no test may end itself."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import httpx
import psutil

from tests.helpers.jobs import PATIENCE, until


@dataclass(frozen=True)
class App:
    """One that answers, or did."""

    url: str
    process: subprocess.Popen
    said: Path
    """What it wrote on both outputs."""

    def family(self) -> list[psutil.Process]:
        """It and all below it."""
        own = psutil.Process(self.process.pid)
        return [own, *own.children(recursive=True)]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@contextmanager
def an_app(
    root: Path, *options: str, port: int | None = None, env: dict[str, str] | None = None
) -> Iterator[App]:
    """The command, once it is healthy; killed in the end, if it is still there."""
    port = port or free_port()
    command = [sys.executable, "-m", "hubmerge.cli", "app", "-o", str(root), *options]
    said = root.with_name(f"{root.name}.log")
    with said.open("ab") as log:
        process = subprocess.Popen(
            [*command, "--port", str(port)],
            env={**os.environ, **(env or {})},
            stdout=log,
            stderr=log,
        )
    app = App(f"http://127.0.0.1:{port}", process, said)
    try:
        until(lambda: process.poll() is not None or is_healthy(app.url), PATIENCE)
        assert process.poll() is None, said.read_text()
        yield app
    finally:
        process.kill()
        process.wait()


def is_healthy(url: str) -> bool:
    with suppress(httpx.HTTPError):
        return httpx.get(f"{url}/health").status_code == 200
    return False


def is_there(process: psutil.Process) -> bool:
    with suppress(psutil.NoSuchProcess):
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    return False
