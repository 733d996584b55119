"""A Hub with trained parents on it, and a service that works against it."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from huggingface_hub import constants

from hubmerge.demo.train import train
from hubmerge.localhub import EmbeddedHub, embedded_hub
from hubmerge.recipe import Recipe, make_recipe
from spaces_app.service.jobs import JobService, Look
from spaces_app.service.limits import Limits
from spaces_app.service.visitors import Person, user, visitor
from spaces_app.service.worker import Worker
from tests.cli import zoo

PATIENCE = 120
FAMILIES = ("mlp", "resnet", "vit")


@pytest.fixture(scope="session")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Repository -> folder of the digits and of trained parents."""
    place, splits = tmp_path_factory.mktemp("parents"), zoo.rows()
    made = {"me/digits": zoo.write_data(place / "data", splits)}
    for family in FAMILIES:
        for letter, folder in zoo.train_parents(family, splits, place / family).items():
            made[f"me/{family}-{letter}"] = folder
    return made


@pytest.fixture(scope="package")
def hub(
    folders: dict[str, Path], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[EmbeddedHub]:
    """The Hub, and this process's: parents me/FAMILY-a and -b, rows me/digits.

    guest/secret-a is private.
    """
    place = tmp_path_factory.mktemp("space")
    with pytest.MonkeyPatch.context() as patch, embedded_hub(place / "hub") as hub:
        patch.setattr(constants, "HF_HUB_DISABLE_XET", True)
        for name, value in hub.environment(home=place / "home", token="").items():
            if name.startswith(("HF_", "DISABLE_")) or name in ("NO_PROXY", "no_proxy"):
                patch.setenv(name, value)
        patch.delenv("HF_TOKEN")
        for repo, folder in folders.items():
            zoo.push(hub, repo, folder, "dataset" if repo == "me/digits" else "model")
        zoo.push(hub, "guest/secret-a", folders["me/mlp-a"], private=True)
        yield hub


@pytest.fixture(scope="package")
def third(hub: EmbeddedHub, tmp_path_factory: pytest.TempPathFactory) -> str:
    """A third small head on the Hub."""
    trained = train(zoo.course("mlp"), 3, zoo.rows()["train"])
    folder = zoo.write_model(tmp_path_factory.mktemp("third") / "c", trained, "mlp")
    return zoo.push(hub, "me/mlp-c", folder)


@pytest.fixture(scope="package")
def me(hub: EmbeddedHub) -> Person:
    return user("me", hub.token)


@pytest.fixture(scope="package")
def guest(hub: EmbeddedHub) -> Person:
    return user("guest", hub.add_user("guest"))


@pytest.fixture
def somebody(request: pytest.FixtureRequest) -> Person:
    return visitor(request.node.name)


@pytest.fixture
def jobs(hub: EmbeddedHub, tmp_path: Path) -> Iterator[JobService]:
    jobs = JobService(tmp_path / "desk", Limits(per_person=3, keep_seconds=3600))
    yield jobs
    jobs.close()


class Workers:
    """All that are started, and moments at which something befalls one of them.

    `on` says what happens when one begins a stage; `killed_at_once` kills the next one as soon as
    it was told what to do; `halt` has one stand still, as it is, until `go_on`.
    """

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self.last: Worker | None = None
        self.on: dict[str, Callable[[], None]] = {}
        self.killed_at_once = False
        self._halting: Callable[[dict[str, Any]], bool] | None = None
        self._halted = threading.Event()
        self._standing: int | None = None
        run, heard, workers = Worker.run, Worker._heard, self

        def watched(worker: Worker, hear: Any = lambda event: None, patience: Any = None) -> Any:
            def listen(message: dict[str, Any]) -> None:
                hear(message)
                if workers._halting is not None and workers._halting(message):
                    workers._halt(worker)
                if message["event"] == "Stage" and message["name"] in workers.on:
                    workers.on.pop(message["name"])()

            workers.last = worker
            return run(worker, listen, patience)

        def listening(pipe: Any) -> bytes | None:
            if workers.killed_at_once:
                workers.killed_at_once = False
                workers.kill()
            return heard(pipe)

        patch.setattr(Worker, "run", watched)
        patch.setattr(Worker, "_heard", staticmethod(listening))

    def kill(self) -> None:
        """The one that was started last."""
        until(lambda: self.last is not None and self.last.pid is not None)
        assert self.last is not None
        os.kill(self.last.pid or 0, signal.SIGKILL)
        self.last = None

    def halt(self, when: Callable[[dict[str, Any]], bool]) -> None:
        """The first that tells something of this kind stands still from then on."""
        self._halted.clear()
        self._halting = when

    def halted(self) -> None:
        """Returns when one stands still."""
        assert self._halted.wait(PATIENCE)

    def go_on(self) -> None:
        """Whoever stands still works on; nobody is to stand still any more."""
        self._halting = None
        pid, self._standing = self._standing, None
        if pid is not None:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)

    def _halt(self, worker: Worker) -> None:
        self._halting = None
        self._standing = worker.pid
        os.kill(worker.pid or 0, signal.SIGSTOP)
        self._halted.set()


def begins(stage: str) -> Callable[[dict[str, Any]], bool]:
    """Of what a worker tells: that it begins this stage."""
    return lambda message: message["event"] == "Stage" and message["name"] == stage


@pytest.fixture
def workers(monkeypatch: pytest.MonkeyPatch) -> Iterator[Workers]:
    made = Workers(monkeypatch)
    yield made
    made.go_on()


def quick(family: str = "mlp", **changes: object) -> Recipe:
    """A merge that takes two seconds."""
    fields = {"models": (f"me/{family}-a", f"me/{family}-b"), "dataset": "me/digits"}
    small = {"match": "weights", "samples": 60, "calibration_samples": 60}
    return make_recipe(**{**fields, **small, **changes})


def until(happened: Callable[[], bool], patience: float = PATIENCE) -> None:
    deadline = time.monotonic() + patience
    while not happened():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def ended(jobs: JobService, person: Person, number: str) -> Look:
    """The job, once it has ended."""
    until(lambda: jobs.look(person, number).job.has_ended)
    return jobs.look(person, number)
