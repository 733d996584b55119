"""A Hub with trained parents on it, and a service that works against it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from huggingface_hub import constants

from hubmerge.localhub import EmbeddedHub, embedded_hub
from hubmerge.recipe import Recipe, make_recipe
from spaces_app.service.desk import Desk, Look
from spaces_app.service.limits import Limits
from spaces_app.service.person import Person, user, visitor
from tests.cli import zoo

PATIENCE = 120
FAMILIES = ("mlp", "resnet", "vit")


@pytest.fixture(scope="session")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedHub]:
    """The Hub: parents me/FAMILY-a and -b, rows me/digits; guest/secret-a is private."""
    place = tmp_path_factory.mktemp("space")
    with pytest.MonkeyPatch.context() as patch, embedded_hub(place / "hub") as hub:
        patch.setattr(constants, "HF_HUB_DISABLE_XET", True)
        for name, value in hub.environment(home=place / "home", token="").items():
            if name.startswith(("HF_", "DISABLE_")) or name in ("NO_PROXY", "no_proxy"):
                patch.setenv(name, value)
        patch.delenv("HF_TOKEN")
        splits = zoo.rows()
        zoo.push(hub, "me/digits", zoo.write_data(place / "data", splits), "dataset")
        for family in FAMILIES:
            for letter, folder in zoo.train_parents(family, splits, place / family).items():
                zoo.push(hub, f"me/{family}-{letter}", folder)
        zoo.push(hub, "guest/secret-a", place / "mlp" / "a", private=True)
        yield hub


@pytest.fixture(scope="session")
def me(hub: EmbeddedHub) -> Person:
    return user("me", hub.token)


@pytest.fixture(scope="session")
def guest(hub: EmbeddedHub) -> Person:
    return user("guest", hub.add_user("guest"))


@pytest.fixture
def somebody(request: pytest.FixtureRequest) -> Person:
    return visitor(request.node.name)


@pytest.fixture
def desk(hub: EmbeddedHub, tmp_path: Path) -> Iterator[Desk]:
    desk = Desk(tmp_path / "desk", Limits(per_person=3, keep_seconds=3600))
    yield desk
    desk.close()


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


def ended(desk: Desk, person: Person, number: str) -> Look:
    """The job, once it has ended."""
    until(lambda: desk.look(person, number).job.has_ended)
    return desk.look(person, number)
