"""Killed without warning, one after the other: workers, the Hub, the app. What people see then."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from hubmerge.localhub import EmbeddedHub, embedded_hub
from hubmerge.reporting.schema.report import Report
from spaces_app.service.job import Refused, State
from spaces_app.service.job_progress import STAGES
from spaces_app.service.jobs import JobService
from spaces_app.service.visitors import Visitor, hub_visitor
from spaces_app.ui import progress_view as watch_view
from spaces_app.ui import publish_view
from tests.helpers import zoo
from tests.helpers.gate import gate
from tests.helpers.jobs import Workers, ended, quick, until

HUB = """
import sys
from pathlib import Path
from hubmerge.localhub import serve
serve(Path(sys.argv[1]), int(sys.argv[2]))
"""
WHOLE = {"config.json", "model.safetensors", "report.json", "README.md", "hubmerge.yaml"}


def shown(jobs: JobService, visitor: Visitor, number: str) -> str:
    """What the page says of a job once it has ended."""
    return str(watch_view.render(ended(jobs, visitor, number)))


def hashes(jobs: JobService, visitor: Visitor, number: str) -> dict[str, str]:
    return Report.read(jobs.result(visitor, number)).weights_sha256


def test_a_worker_killed_in_every_stage_and_the_same_merge_started_again(
    jobs: JobService, anonymous: Visitor, workers: Workers
) -> None:
    """Each start gets one stage further than the one before, and the last one to the end."""
    recipe = quick(fuse="least-squares")
    for stage in STAGES:
        workers.on[stage] = workers.kill
        job = jobs.submit(anonymous, recipe)
        seen = shown(jobs, anonymous, job.id)
        assert not workers.on, f"{stage} was never begun"
        assert "The worker process was killed" in seen
        assert "start it again" in seen
        assert jobs.status(anonymous, job.id).job.state is State.FAILED
        assert jobs.is_healthy()
        until(lambda: not any(jobs.folders.jobs.iterdir()))
    killed_no_more = jobs.submit(anonymous, recipe)
    assert "Done" in shown(jobs, anonymous, killed_no_more.id)
    undisturbed = jobs.submit(anonymous, recipe)
    ended(jobs, anonymous, undisturbed.id)
    assert hashes(jobs, anonymous, killed_no_more.id) == hashes(jobs, anonymous, undisturbed.id)


def test_short_work_that_is_killed_is_reported_and_can_be_repeated(
    jobs: JobService, anonymous: Visitor, workers: Workers
) -> None:
    def killed(act: Callable[[], object]) -> None:
        workers.killed_at_once = True
        with pytest.raises(Refused) as refused:
            act()
        assert refused.value.refusal.kind == "WorkerKilled"
        assert jobs.is_healthy()

    killed(lambda: jobs.plan(anonymous, quick()))
    job = jobs.submit(anonymous, quick())
    assert ended(jobs, anonymous, job.id).job.state is State.DONE
    killed(lambda: jobs.archive(anonymous, job.id))
    assert jobs.archive(anonymous, job.id).is_file()
    picture = zoo.rows()["test"][0]["image"].tobytes()
    killed(lambda: jobs.predict(anonymous, job.id, picture))


def kill_when(happened: threading.Event, workers: Workers) -> None:
    happened.wait()
    workers.kill()


@pytest.fixture
def merged(jobs: JobService, me: Visitor) -> str:
    job = jobs.submit(me, quick())
    assert ended(jobs, me, job.id).job.state is State.DONE
    return job.id


def test_an_upload_killed_at_any_moment_is_completed_by_the_next(
    jobs: JobService, hub: EmbeddedHub, me: Visitor, merged: str, workers: Workers, monkeypatch: Any
) -> None:
    def publish(repo: str) -> dict[str, Any]:
        return jobs.publish(me, merged, {"push": repo, "private": False})

    left = {path.name for path in jobs.folders.job(merged).iterdir()}
    publish("me/killed-no-upload")  # from now on the Hub has the weights
    with gate(hub.url, "down", 1 << 40) as counted:
        monkeypatch.setenv("HF_ENDPOINT", counted.url)
        publish("me/killed-counted")
        answered = (1 << 40) - counted._left
    stood = []
    for point, (way, after) in enumerate(
        [("down", 0), ("up", 20_000), ("down", answered // 2), ("down", answered - 1000)]
    ):
        repo = f"me/killed-point-{point}"
        with gate(hub.url, way, after) as held:  # type: ignore[arg-type]
            monkeypatch.setenv("HF_ENDPOINT", held.url)
            killer = threading.Thread(target=kill_when, args=(held.closed, workers), daemon=True)
            killer.start()
            with pytest.raises(Refused) as refused:
                publish(repo)
            killer.join()
        said = str(publish_view.unpublished(refused.value.refusal))
        assert "Publishing was interrupted" in said
        assert "publish again" in said
        monkeypatch.setenv("HF_ENDPOINT", hub.url)
        there = set(hub.api().list_repo_files(repo)) if hub.api().repo_exists(repo) else set()
        assert there <= {".gitattributes"} or there >= WHOLE
        stood.append(there >= WHOLE)
        assert publish(repo)["changed"] == (not stood[-1])
        assert set(hub.api().list_repo_files(repo)) >= WHOLE
        assert len(hub.api().list_repo_commits(repo)) == 2
    assert stood == [False, False, False, True]
    assert {path.name for path in jobs.folders.jobs.iterdir()} == {merged}
    assert {path.name for path in jobs.folders.job(merged).iterdir()} == left


class OwnHub:
    """A Hub in a process that can be killed, with the small heads on it."""

    def __init__(self, root: Path, folders: dict[str, Path]) -> None:
        self._root = root
        with embedded_hub(root) as hub:
            for repo in ("me/digits", "me/mlp-a", "me/mlp-b"):
                zoo.push(hub, repo, folders[repo], "dataset" if "digits" in repo else "model")
            self.url, self.token = hub.url, hub.token
        self.start()

    def start(self) -> None:
        port = self.url.rpartition(":")[2]
        command = [sys.executable, "-c", HUB, str(self._root), port]
        self._process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        until(self._answers)

    def kill(self) -> None:
        self._process.kill()
        self._process.wait()

    def _answers(self) -> bool:
        try:
            return httpx.get(f"{self.url}/api/models").status_code == 200
        except httpx.HTTPError:
            return False


@contextmanager
def own_hub(root: Path, folders: dict[str, Path]) -> Iterator[OwnHub]:
    hub = OwnHub(root, folders)
    try:
        yield hub
    finally:
        hub.kill()


@pytest.mark.slow
def test_a_hub_that_is_killed_is_named_and_the_same_again_completes(
    jobs: JobService, folders: dict[str, Path], workers: Workers, tmp_path: Path, monkeypatch: Any
) -> None:
    with own_hub(tmp_path / "hub", folders) as own:
        monkeypatch.setenv("HF_ENDPOINT", own.url)
        me = hub_visitor("me", own.token)
        workers.on["load"] = own.kill
        job = jobs.submit(me, quick())
        seen = shown(jobs, me, job.id)
        assert "the Hub did not answer" in seen
        assert "start it again later" in seen
        own.start()
        again = jobs.submit(me, quick()).id
        assert "Done" in shown(jobs, me, again)
        own.kill()
        with pytest.raises(Refused) as refused:
            jobs.publish(me, again, {"push": "me/both", "private": False})
        assert "Publishing was interrupted" in publish_view.unpublished(refused.value.refusal)
        own.start()
        assert jobs.publish(me, again, {"push": "me/both", "private": False})["changed"]


@pytest.mark.slow
def test_a_hub_that_is_killed_and_soon_back_is_waited_for(
    jobs: JobService, folders: dict[str, Path], workers: Workers, tmp_path: Path, monkeypatch: Any
) -> None:
    with own_hub(tmp_path / "hub", folders) as own:
        monkeypatch.setenv("HF_ENDPOINT", own.url)
        me = hub_visitor("me", own.token)

        def kill_and_start() -> None:
            own.kill()
            own.start()

        workers.on["load"] = kill_and_start
        job = jobs.submit(me, quick())
        assert "Done" in shown(jobs, me, job.id)
        assert not workers.on
