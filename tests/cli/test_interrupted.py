"""Stopped at any moment: the same command run again completes."""

from __future__ import annotations

import json
import shutil
import signal
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from hubmerge.errors import INTERRUPTED, HubUnavailableError
from hubmerge.localhub import EmbeddedHub
from tests.helpers.command_line import CommandLine, Done, Running
from tests.helpers.flaky_relay import relay
from tests.helpers.gate import Gate, gate

PATIENCE = 120
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGKILL)
WHOLE = {"config.json", "model.safetensors", "report.json", "README.md", "hubmerge.yaml"}


class Job:
    """One merge of the small heads, measured and published, that can be started again."""

    def __init__(self, hubmerge: CommandLine, hub: EmbeddedHub, tmp: Path, repo: str) -> None:
        self.hub, self.repo, self.cache = hub, repo, tmp / "cache"
        self.place = tmp / "place"
        self.place.mkdir()
        self.out = self.place / "out"
        self._hubmerge = hubmerge

    def start(
        self, url: str | None = None, *options: str, patience: tuple[float, ...] = ()
    ) -> Running:
        data = ("--dataset", "me/digits", "--match", "weights", "--samples", 60)
        where = ("--push", self.repo, "-o", self.out, *options)
        env = {"HF_HUB_CACHE": str(self.cache), "HF_ENDPOINT": url or self.hub.url}
        words = ("merge", "me/mlp-a", "me/mlp-b", *data, *where)
        return self._hubmerge.start(*words, env=env, patience=patience)

    def completes(self) -> Done:
        """Run (again), it leaves the whole merge, here and on the Hub, and nothing else."""
        done = self.start().wait().succeeded()
        assert [path.name for path in self.place.iterdir()] == ["out"]
        assert {path.name for path in self.out.iterdir()} >= WHOLE
        there = Path(self.hub.api().hf_hub_download(self.repo, "model.safetensors"))
        assert there.read_bytes() == (self.out / "model.safetensors").read_bytes()
        assert len(self.hub.api().list_repo_commits(self.repo)) == 2
        return done

    def is_whole_or_absent(self) -> bool:
        """No half-made folder is ever taken for a result."""
        return not self.out.exists() or {path.name for path in self.out.iterdir()} >= WHOLE


@pytest.fixture
def job(
    hubmerge: CommandLine, hub: EmbeddedHub, parents: dict[str, Any], tmp_path: Path, repo: str
) -> Job:
    return Job(hubmerge, hub, tmp_path, repo)


@pytest.fixture(scope="module")
def expected(
    hubmerge: CommandLine,
    hub: EmbeddedHub,
    parents: dict[str, Any],
    tmp_path_factory: pytest.TempPathFactory,
) -> dict[str, str]:
    """sha256 of the weights of an undisturbed run."""
    undisturbed = Job(hubmerge, hub, tmp_path_factory.mktemp("undisturbed"), "me/undisturbed")
    undisturbed.completes()
    return hashes(undisturbed)


def hashes(job: Job) -> dict[str, str]:
    return json.loads((job.out / "report.json").read_text())["weights_sha256"]


def seen(pattern: str) -> Callable[[Job], Iterator[Running]]:
    """A run, as soon as there is a file like this beside the target."""

    @contextmanager
    def moment(job: Job) -> Iterator[Running]:
        running = job.start()
        until(lambda: any(job.place.glob(pattern)))
        yield running

    return moment


def held(way: Any, after: int) -> Callable[[Job], Iterator[Running]]:
    """A run that hangs once so many bytes went to or came from the Hub."""

    @contextmanager
    def moment(job: Job) -> Iterator[Running]:
        with gate(job.hub.url, way, after) as closed:
            running = job.start(closed.url)
            assert closed.closed.wait(PATIENCE)
            yield running

    return moment


MOMENTS = {
    "downloading": held("down", 60_000),
    "saving": seen(".out.partial-*"),
    "measuring": seen(".out.partial-*/model.safetensors"),
    "reporting": seen(".out.partial-*/report.json"),
    "publishing": held("up", 60_000),
}


def until(happened: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not happened():
        assert time.monotonic() < deadline
        time.sleep(0.002)


def every_signal_at_every_moment() -> Iterator[Any]:
    quick = {("measuring", signal.SIGTERM), ("publishing", signal.SIGINT)}
    quick |= {(moment, signal.SIGKILL) for moment in ("downloading", "reporting", "publishing")}
    for moment in MOMENTS:
        for number in SIGNALS:
            marks = () if (moment, number) in quick else (pytest.mark.slow,)
            yield pytest.param(moment, number, marks=marks, id=f"{moment}-{number.name}")


@pytest.mark.parametrize(("moment", "number"), [*every_signal_at_every_moment()])
def test_killed(job: Job, moment: str, number: signal.Signals, expected: dict[str, str]) -> None:
    with MOMENTS[moment](job) as running:
        running.kill(number)
        done = running.wait()
    if number == signal.SIGKILL:
        assert done.code == -signal.SIGKILL
    else:
        assert done.code == INTERRUPTED, done.err
        assert "Stopped." in done.err
        assert not list(job.place.glob(".*"))
    assert job.is_whole_or_absent()
    assert job.out.exists() == (moment == "publishing") or moment == "reporting"
    if not job.out.exists():
        assert not job.hub.api().repo_exists(job.repo)
    job.completes()
    assert hashes(job) == expected


def test_a_bad_network_is_survived(job: Job, expected: dict[str, str]) -> None:
    with relay(job.hub.url, after=20_000, cuts=2) as bad:
        job.start(bad.url, patience=(0.1, 0.2)).wait().succeeded()
        assert bad.broken == 2
    assert hashes(job) == expected


def test_a_server_that_goes_away_while_downloading(job: Job, expected: dict[str, str]) -> None:
    with gate(job.hub.url, "down", 60_000) as closed:
        running = job.start(closed.url)
        goes_away(closed)
        done = running.wait()
    done.refused(HubUnavailableError, "run the same command again")
    assert not list(job.place.iterdir())
    job.completes()
    assert hashes(job) == expected


def test_a_server_that_goes_away_while_publishing(job: Job, expected: dict[str, str]) -> None:
    with gate(job.hub.url, "up", 60_000) as closed:
        running = job.start(closed.url)
        goes_away(closed)
        done = running.wait()
    done.refused(HubUnavailableError, "run the same command again")
    assert hashes(job) == expected
    written = (job.out / "model.safetensors").stat().st_mtime_ns
    job.completes()
    assert (job.out / "model.safetensors").stat().st_mtime_ns == written


def goes_away(closed: Gate) -> None:
    assert closed.closed.wait(PATIENCE)
    closed.cut()


def proposals(job: Job) -> list[int]:
    """Numbers of the pull requests."""
    return [each.num for each in job.hub.api().get_repo_discussions(job.repo)]


def test_killed_while_proposing(job: Job, expected: dict[str, str]) -> None:
    """Before the commit, and at the moment when the pull request is open."""
    job.hub.api().create_repo(job.repo)
    (job.place / "notes.txt").write_text("somebody's")
    job.hub.api().upload_file(
        path_or_fileobj=job.place / "notes.txt", path_in_repo="notes.txt", repo_id=job.repo
    )
    with gate(job.hub.url, "up", 60_000) as closed:
        running = job.start(closed.url, "--create-pr")
        assert closed.closed.wait(PATIENCE)
        running.kill(signal.SIGKILL)
        running.wait()
    assert proposals(job) == []
    running = job.start(None, "--create-pr")
    until(lambda: bool(proposals(job)))
    running.kill(signal.SIGKILL)
    running.wait()
    for _ in range(2):
        job.start(None, "--create-pr").wait().succeeded()
        assert proposals(job) == [1]
    there = job.hub.api().hf_hub_download(job.repo, "model.safetensors", revision="refs/pr/1")
    assert Path(there).read_bytes() == (job.out / "model.safetensors").read_bytes()
    assert hashes(job) == expected
    shutil.rmtree(job.out)
    done = job.start(None, "--create-pr").wait().succeeded()
    assert "nothing was uploaded" in done.out
    assert proposals(job) == [1]
    assert hashes(job) == expected


def test_a_hub_that_is_stopped_and_started_again(job: Job, expected: dict[str, str]) -> None:
    running = job.start()
    until(lambda: any(job.place.glob(".out.partial-*")))
    job.hub.stop()
    try:
        done = running.wait()
    finally:
        job.hub.start()
    done.refused(HubUnavailableError, job.repo)
    assert job.is_whole_or_absent()
    job.completes()
    assert hashes(job) == expected


def test_a_hub_that_comes_back_in_time(
    hubmerge: CommandLine, job: Job, expected: dict[str, str]
) -> None:
    """Without running the command again: that is what the tries in between are for."""
    env = {"HF_HUB_CACHE": str(job.cache)}
    job.hub.stop()
    try:
        running = hubmerge.start(
            *("merge", "me/mlp-a", "me/mlp-b", "--match", "weights", "-o", job.out),
            env=env,
            patience=(1, 1, 1, 1, 1, 1, 1, 1),
        )
        with socket.create_server(("127.0.0.1", int(job.hub.url.rpartition(":")[2]))) as nobody:
            nobody.settimeout(PATIENCE)
            nobody.accept()[0].close()  # it has asked, and was not answered
    finally:
        job.hub.start()
    running.wait().succeeded()
    assert hashes(job) == expected


def test_leftovers_of_the_dead_are_swept_and_those_of_the_living_are_not(
    hubmerge: CommandLine, job: Job
) -> None:
    dead = job.place / ".out.partial-4194305"  # one more than Linux can count
    alive = job.place / ".out.partial-1"
    unlike = job.place / ".other.partial-4194305"
    for folder in (dead, alive, unlike):
        folder.mkdir()
        (folder / "model.safetensors").write_bytes(b"half")
    hubmerge("merge", "me/mlp-a", "me/mlp-b", "--match", "none", "-o", job.out).succeeded()
    assert {path.name for path in job.place.iterdir()} == {"out", alive.name, unlike.name}
