"""One embedded Hub per module, and the unmodified client pointed at it."""

from __future__ import annotations

import re
from collections.abc import Iterator

import httpx
import huggingface_hub.constants
import pytest
from huggingface_hub import HfApi

from hubmerge.localhub import EmbeddedHub, embedded_hub


@pytest.fixture(autouse=True, scope="session")
def _client_settings() -> Iterator[None]:
    """What `EmbeddedHub.environment` sets for other processes, as far as it matters in this one."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(huggingface_hub.constants, "HF_HUB_DISABLE_XET", True)
        patch.setenv("NO_PROXY", "127.0.0.1,localhost")
        yield


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedHub]:
    with embedded_hub(tmp_path_factory.mktemp("hub")) as hub:
        yield hub


@pytest.fixture
def api(hub: EmbeddedHub) -> HfApi:
    return hub.api()


@pytest.fixture
def repo(api: HfApi, request: pytest.FixtureRequest) -> str:
    """A fresh model repository named after the test."""
    name = re.sub(r"[^A-Za-z0-9]+", "_", request.node.name)[:60].strip("_")
    return api.create_repo(f"me/{name}").repo_id


@pytest.fixture
def http(hub: EmbeddedHub) -> Iterator[httpx.Client]:
    """Bare HTTP, anonymous: for what the client would never send."""
    settings = {"trust_env": False, "follow_redirects": False, "timeout": 60}
    with httpx.Client(base_url=hub.url, **settings) as client:
        yield client
