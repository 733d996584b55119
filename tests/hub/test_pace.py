"""What comes too slowly from the Hub, or not at all, is given up in words."""

from __future__ import annotations

import socket
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from huggingface_hub import constants

from hubmerge.errors import HubUnavailableError, NotFoundError
from hubmerge.hub import client as hub_client
from hubmerge.hub.fetch import fetch_file, file_sizes
from hubmerge.hub.pace import in_pace
from hubmerge.hub.source import resolve
from hubmerge.localhub import EmbeddedHub
from hubmerge.utils import limits
from hubmerge.verification.download import Listed, fetch_merge
from hubmerge.verification.verify import verify
from tests.helpers.small_models import push

FILES = ("a.txt", "b.bin", "c.txt")


def test_a_byte_now_and_then_is_not_enough() -> None:
    now = [0.0]

    def drip(seconds: float) -> Iterator[bytes]:
        for _ in range(1_000):
            now[0] += seconds
            yield b"x"

    assert sum(map(len, in_pace(drip(0.05), "a", 1_000, lambda: now[0]))) == 1_000
    now[0] = 0.0
    with pytest.raises(HubUnavailableError, match="a comes too slowly") as refused:
        list(in_pace(drip(9), "a", 1_000, lambda: now[0]))
    assert refused.value.found == "7 bytes in 63 s; 993 bytes remain"


def test_large_files_may_take_their_time() -> None:
    now = [0.0]

    def line() -> Iterator[bytes]:
        for _ in range(100):
            now[0] += 40
            yield bytes(limits.MB)

    assert sum(map(len, in_pace(line(), "a", None, lambda: now[0]))) == 100 * limits.MB


@pytest.fixture
def listed(hub: EmbeddedHub, tmp_path: Path) -> Listed:
    folder = tmp_path / "slow"
    folder.mkdir()
    for name in FILES:
        (folder / name).write_bytes(name.encode() * 100 + (b"\0" if name == "b.bin" else b""))
    source = resolve(push(hub, f"slow/{tmp_path.name}".replace("_", "-")[:60], folder))
    more: Any = {"report": None, "recipe": None, "wrong": (), "remarks": (), "weights": ()}
    return Listed(source=source, names=FILES, sizes=file_sizes(source), **more)


def test_what_came_and_what_remains_is_said(
    listed: Listed, monkeypatch: pytest.MonkeyPatch
) -> None:
    fetch_file(listed.source, "a.txt")
    monkeypatch.setattr(limits, "FETCH_PATIENCE", -1.0)
    with pytest.raises(HubUnavailableError, match=r"comes too slowly") as refused:
        fetch_merge(listed)
    said = str(refused.value)
    assert "fetched: 1 files, 500 B" in said
    assert "remaining: 2 files, 1.0 kB: b.bin, c.txt" in said
    monkeypatch.undo()


def test_an_answer_that_never_begins_is_given_up(
    hub: EmbeddedHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "ANSWER_PATIENCE", 0.2)
    monkeypatch.setattr(hub_client, "PATIENCE", ())
    with socket.create_server(("127.0.0.1", 0)) as silent:
        monkeypatch.setenv("HF_ENDPOINT", f"http://127.0.0.1:{silent.getsockname()[1]}")
        begun = time.monotonic()
        with pytest.raises(HubUnavailableError, match="did not answer"):
            resolve("me/silent")
        assert time.monotonic() - begun < 30


def test_what_is_verified_comes_at_a_pace_that_is_watched(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", False)

    def listed(ref: str) -> None:
        raise NotFoundError(f"without: {constants.HF_HUB_DISABLE_XET}")

    monkeypatch.setattr(sys.modules["hubmerge.verification.verify"], "list_merge", listed)
    with pytest.raises(NotFoundError, match="without: True"):
        verify("me/merge")
    assert not constants.HF_HUB_DISABLE_XET
