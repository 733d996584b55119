"""The app as other programs meet it: its API, its plain addresses, its ends."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import httpx
import psutil
import pytest
from gradio_client import Client

from hubmerge.errors import RecipeError
from hubmerge.localhub import EmbeddedHub
from spaces_app.host import Host
from spaces_app.server import Running, serving
from tests.space.conftest import PATIENCE, quick, until

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def app(hub: EmbeddedHub, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with serving(Host(tmp_path_factory.mktemp("app"))) as running:
        yield running


def test_health_and_metrics(app: Running) -> None:
    assert httpx.get(f"{app.url}/health").json() == {"healthy": True}
    text = httpx.get(f"{app.url}/metrics").text
    lines = [line for line in text.splitlines() if not line.startswith("#")]
    assert all(re.fullmatch(r'hubmerge_\w+(\{[\w="+.,]+\})? [\d.e+]+', line) for line in lines)
    assert "hubmerge_queue_length 0" in lines


def test_the_same_job_by_api(app: Running) -> None:
    client = Client(app.url, verbose=False)
    offered = client.view_api(return_format="dict")["named_endpoints"]
    assert set(offered) == {"/plan", "/merge", "/status", "/stop"}
    recipe = quick().to_yaml()
    planned = client.predict(recipe, api_name="/plan")
    assert planned["plan"]["both"]["family"] == "mlp_head"
    job = client.predict(recipe, api_name="/merge")["job"]
    until(lambda: client.predict(job, api_name="/status")["state"] in ("done", "failed"))
    done = client.predict(job, api_name="/status")
    assert done["report"]["n"] == 60
    assert httpx.get(f"{app.url}/{done['files']}").status_code == 200
    assert client.predict(job, api_name="/stop")["state"] == "done"
    refused = client.predict("models: [me/mlp-a, me/vit-a]", api_name="/plan")
    assert refused["error"]["kind"] == "MismatchError"
    assert client.predict("nonsense", api_name="/merge")["error"]["kind"] == "RecipeError"
    assert client.predict("../../x", api_name="/status")["error"]["kind"] == "NotFoundError"


def test_a_port_that_is_taken_is_named(app: Running, tmp_path: Path) -> None:
    port = int(app.url.rpartition(":")[2])
    with pytest.raises(RecipeError, match=str(port)), serving(Host(tmp_path), port):
        pass


@pytest.mark.parametrize(
    "path",
    [
        "jobs/x/merge.zip",
        "jobs/x/model.safetensors",
        "jobs/../jobs.sqlite",
        "jobs/..%2f..%2f/report.json",
        "jobs/%2e%2e/jobs.sqlite",
        "gradio_api/file=/etc/passwd",
    ],
)
def test_nothing_else_is_served(app: Running, path: str) -> None:
    answer = httpx.get(f"{app.url}/{path}")
    assert answer.status_code in (403, 404)
    assert "root:" not in answer.text


def test_every_browser_gets_a_name_of_its_own(app: Running) -> None:
    first, second = (httpx.get(app.url).headers["set-cookie"] for _ in range(2))
    assert first != second
    assert "HttpOnly" in first
    assert "SameSite=Lax" in first
    name, _, value = first.partition(";")[0].partition("=")
    assert "set-cookie" not in httpx.get(app.url, cookies={name: value}).headers


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@contextmanager
def a_process(root: Path, port: int) -> Iterator[subprocess.Popen]:
    """The app, once it answers."""
    command = [sys.executable, "-m", "tests.space.serve", str(root), str(port)]
    environment = {**os.environ, "GRADIO_ANALYTICS_ENABLED": "False"}
    with subprocess.Popen(
        command, cwd=ROOT, env=environment, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL
    ) as process:
        try:
            until(lambda: answers(port), PATIENCE)
            yield process
        finally:
            process.kill()


def answers(port: int) -> bool:
    with suppress(httpx.HTTPError):
        return httpx.get(f"http://127.0.0.1:{port}/health").status_code == 200
    return False


@pytest.mark.slow
def test_kill_and_terminate(hub: EmbeddedHub, tmp_path: Path) -> None:
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    with a_process(tmp_path, port) as process:
        job = Client(url, verbose=False).predict(quick("vit").to_yaml(), api_name="/merge")["job"]
        client = Client(url, verbose=False)
        until(lambda: client.predict(job, api_name="/status")["state"] == "running")
        family = psutil.Process(process.pid).children(recursive=True)
        assert family
        process.kill()
        process.wait()
        until(lambda: not any(is_there(child) for child in family), 20)
    with a_process(tmp_path, port) as process:
        client = Client(url, verbose=False)
        until(lambda: client.predict(job, api_name="/status")["state"] == "done")
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=30) == 0


def is_there(process: psutil.Process) -> bool:
    with suppress(psutil.NoSuchProcess):
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    return False
