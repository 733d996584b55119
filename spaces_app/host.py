"""Where the app runs: on a Space, on somebody's machine, or beside an embedded Hub."""

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
    """Models and data that work with one click."""

    name: str
    models: tuple[str, ...]
    dataset: str | None


@dataclass(frozen=True)
class Host:
    """What differs from place to place.

    local_token: the token of this machine's owner, if there is one to sign in with; None on a
    Space, where people sign in with their own account.
    """

    root: Path
    examples: tuple[Example, ...] = ()
    on_space: bool = False
    local_token: Callable[[], str | None] | None = None
    mcp: bool = False


def default_root() -> Path:
    """Folder of jobs and caches: `$HUBMERGE_APP_ROOT`, else in the user's cache folder."""
    if named := os.environ.get("HUBMERGE_APP_ROOT"):
        return Path(named)
    return user_cache_path("hubmerge", appauthor=False) / "app"


def this_host() -> Host:
    """A Space, if the environment says so; else this machine and its owner's token."""
    on_space = bool(os.environ.get("SPACE_ID"))
    token = None if on_space else get_token()
    return Host(
        root=default_root(),
        on_space=on_space,
        local_token=None if on_space else lambda: token,
        mcp=find_spec("mcp") is not None,
    )
