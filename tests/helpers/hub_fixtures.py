"""A real Hub on loopback, the unmodified client pointed at it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from huggingface_hub import HfApi, constants

from hubmerge.hub import client as hub_client
from hubmerge.localhub import EmbeddedHub, embedded_hub
from hubmerge.utils.progress import be_quiet
from tests.helpers.small_models import save, tiny_vit


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedHub]:
    """One embedded Hub for the session; tests keep apart by repository names."""
    with embedded_hub(tmp_path_factory.mktemp("server")) as hub:
        yield hub


@pytest.fixture
def hub(server: EmbeddedHub, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> EmbeddedHub:
    """The Hub, with this process signed in as its owner and a cache of the test's own."""
    monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", True)
    monkeypatch.setattr(constants, "HF_TOKEN_PATH", str(tmp_path / "no-token"))
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy", "HF_HUB_CACHE"):
        monkeypatch.delenv(name, raising=False)
    for name, value in server.environment(home=tmp_path / "home").items():
        if name.startswith("HF_") or name in ("NO_PROXY", "no_proxy"):
            monkeypatch.setenv(name, value)
    return server


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Errors that stay are reported at once; no bars."""
    monkeypatch.setattr(hub_client, "PATIENCE", ())
    be_quiet()


@pytest.fixture
def as_user(monkeypatch: pytest.MonkeyPatch) -> Any:
    """as_user(token) signs in; as_user("") signs out."""
    return lambda token: monkeypatch.setenv("HF_TOKEN", token)


@pytest.fixture
def result(tmp_path: Path) -> Path:
    """A folder as a merge leaves it."""
    return save(tmp_path / "result", tiny_vit())


@pytest.fixture
def lose_an_answer(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """lose_an_answer() lets the next commit be made, and loses the answer."""
    commit = HfApi.create_commit

    def lose() -> None:
        monkeypatch.setattr(hub_client, "PATIENCE", (0,))
        monkeypatch.setattr(HfApi, "create_commit", unheard)

    def unheard(self: HfApi, *args: Any, **kwargs: Any) -> Any:
        monkeypatch.setattr(HfApi, "create_commit", commit)
        commit(self, *args, **kwargs)
        raise ConnectionError("the answer did not arrive")

    return lose
