"""Records of the embedded Hub on disk (JSON)."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field


def now() -> str:
    """The current time in the Hub's format."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z"


class Entry(BaseModel):
    """One file of a commit: where its bytes are, and what git would call it."""

    model_config = ConfigDict(frozen=True)
    sha256: str
    size: int
    oid: str
    lfs: bool


Tree = Mapping[str, Entry]
"""All files of a commit by their path."""


class Commit(BaseModel):
    """A state of all files. Its id is the hash of this record, so it never changes."""

    model_config = ConfigDict(frozen=True)
    parents: tuple[str, ...]
    tree: dict[str, Entry]
    author: str
    date: str
    title: str
    message: str = ""

    def packed(self) -> tuple[str, bytes]:
        """The commit's id (40 hex digits) and the bytes it is the hash of."""
        content = self.model_dump_json().encode()
        return hashlib.sha1(content).hexdigest(), content


class Discussion(BaseModel):
    """A discussion or a pull request; a pull request's commits are under `refs/pr/{num}`."""

    num: int
    title: str
    author: str
    created: str
    is_pull_request: bool
    status: Literal["draft", "open", "closed", "merged"]
    base: str = "main"
    base_commit: str = ""
    merge_commit: str | None = None
    events: list[dict[str, Any]] = Field(default_factory=list)


class Variable(BaseModel):
    """A variable of a Space."""

    model_config = ConfigDict(frozen=True)
    value: str
    description: str | None = None
    updated: str


class State(BaseModel):
    """Everything about a repository that can change: one file, replaced as a whole."""

    author: str
    created: str
    private: bool = False
    gated: Literal["auto", "manual", False] = False
    granted: list[str] = Field(default_factory=list)
    refs: dict[str, str] = Field(default_factory=dict)
    """Full name (`refs/heads/main`, `refs/tags/v1`, `refs/pr/1`) to commit id."""
    discussions: list[Discussion] = Field(default_factory=list)
    variables: dict[str, Variable] = Field(default_factory=dict)
    """Of a Space: name to value."""
