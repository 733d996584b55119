"""The host of the app: a Space, a local machine, or a local machine with an embedded Hub."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from huggingface_hub import get_token
from platformdirs import user_cache_path


@dataclass(frozen=True)
class Example:
    """Models and data that one click fills in."""

    name: str
    models: tuple[str, ...]
    dataset: str | None


@dataclass(frozen=True)
class Host:
    """Settings that depend on the host.

    examples_at_start: whether examples without a result are merged when the app starts.
    local_token: returns the token stored on this machine, if any; None on a Space, where visitors
    sign in with their own account.
    verifies: whether it verifies merges of the Hub by itself, for the leaderboard.
    """

    root: Path
    examples: tuple[Example, ...] = ()
    examples_at_start: bool = False
    on_space: bool = False
    local_token: Callable[[], str | None] | None = None
    mcp: bool = False
    verifies: bool = False


def default_root() -> Path:
    """Folder of jobs and caches: `$HUBMERGE_APP_ROOT`, else in the user's cache folder."""
    if named := os.environ.get("HUBMERGE_APP_ROOT"):
        return Path(named)
    return user_cache_path("hubmerge", appauthor=False) / "app"


def this_host() -> Host:
    """A Space, if the environment says so; else this machine with its stored token."""
    on_space = bool(os.environ.get("SPACE_ID"))
    token = None if on_space else get_token()
    return Host(
        root=default_root(),
        on_space=on_space,
        local_token=None if on_space else lambda: token,
        mcp=find_spec("mcp") is not None,
        verifies=on_space,
    )
