"""A Hub with trained parents on it, and a service that works against it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from huggingface_hub import constants

from hubmerge.localhub import EmbeddedHub, embedded_hub
from spaces_app.service.jobs import JobService
from spaces_app.service.limits import Limits
from spaces_app.service.visitors import Visitor, anonymous_visitor, hub_visitor
from tests.helpers import zoo
from tests.helpers.jobs import Workers

FAMILIES = ("mlp", "resnet", "vit")


@pytest.fixture(scope="session")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Repository -> folder of the digits and of trained parents."""
    place, splits = tmp_path_factory.mktemp("parents"), zoo.rows()
    made = {"me/digits": zoo.write_data(place / "data", splits)}
    for family in FAMILIES:
        for letter, folder in zoo.train_parents(family, place / family).items():
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
    trained = zoo.trained("mlp", 3)
    folder = zoo.write_model(tmp_path_factory.mktemp("third") / "c", trained, "mlp")
    return zoo.push(hub, "me/mlp-c", folder)


@pytest.fixture(scope="package")
def me(hub: EmbeddedHub) -> Visitor:
    return hub_visitor("me", hub.token)


@pytest.fixture(scope="package")
def guest(hub: EmbeddedHub) -> Visitor:
    return hub_visitor("guest", hub.add_user("guest"))


@pytest.fixture
def anonymous(request: pytest.FixtureRequest) -> Visitor:
    return anonymous_visitor(request.node.name)


@pytest.fixture
def jobs(hub: EmbeddedHub, tmp_path: Path) -> Iterator[JobService]:
    jobs = JobService(tmp_path / "desk", Limits(per_person=3, keep_seconds=3600))
    yield jobs
    jobs.close()


@pytest.fixture
def workers(monkeypatch: pytest.MonkeyPatch) -> Iterator[Workers]:
    made = Workers(monkeypatch)
    yield made
    made.go_on()
