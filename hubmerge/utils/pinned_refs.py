"""References to one state for good: a repository at a commit, a folder by its content."""

from __future__ import annotations

import re

PINNED = re.compile(r"(?P<id>[\w.-]+(/[\w.-]+)?)@(?P<sha>[0-9a-f]{40})", re.ASCII)
"""A repository at a commit."""
CONTENT = re.compile(r"(?P<name>[^/\\]+)@(?P<sha>local-[0-9a-f]{40})")
"""The content of a folder, and the name it had where it was read."""
HASH = re.compile(r"local-[0-9a-f]{40}")
"""The content of a folder."""


def is_pinned(ref: str) -> bool:
    """Whether a reference stands for one state wherever it is read."""
    return bool(PINNED.fullmatch(ref) or CONTENT.fullmatch(ref))


def folder_name(ref: str) -> str:
    """The name of the folder that a reference is to, of whichever system its path is."""
    content = CONTENT.fullmatch(ref)
    return content["name"] if content else re.split(r"[/\\]", ref.rstrip("/\\"))[-1]
