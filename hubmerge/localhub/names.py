"""Which names the embedded Hub accepts: repositories, files, branches and tags.

Every name arrives from outside and most of them end up in paths on disk, so each is checked
here, once, before anything else sees it.
"""

from __future__ import annotations

import re
from typing import Literal, NamedTuple

from hubmerge.localhub import limits
from hubmerge.localhub.refusal import Refusal

RepoType = Literal["models", "datasets", "spaces"]
TYPES: tuple[RepoType, ...] = ("models", "datasets", "spaces")

RESERVED = frozenset({"api", "datasets", "models", "spaces", "-"})
"""First segments of the server's own addresses: no namespace may take them."""

_NAME = re.compile(r"[A-Za-z0-9_](?:[A-Za-z0-9._-]{0,94}[A-Za-z0-9_])?")
_SHA256 = re.compile(r"[0-9a-f]{64}")
_COMMIT = re.compile(r"[0-9a-f]{40}")


class RepoKey(NamedTuple):
    """One repository: its type and its checked `namespace/name`."""

    type: RepoType
    namespace: str
    name: str

    @property
    def id(self) -> str:
        """`namespace/name`, as clients write it."""
        return f"{self.namespace}/{self.name}"

    @property
    def page(self) -> str:
        """Path of the repository's page; also the prefix of its downloads."""
        return f"/{self.id}" if self.type == "models" else f"/{self.type}/{self.id}"

    @property
    def singular(self) -> str:
        """`model`, `dataset` or `space`."""
        return self.type.removesuffix("s")


def repo_key(type_: str, namespace: str, name: str) -> RepoKey | None:
    """The key of a repository that could exist, or None where the name alone rules that out."""
    if type_ not in TYPES or namespace in RESERVED:
        return None
    if not (is_name(namespace) and is_name(name)):
        return None
    return RepoKey(type_, namespace, name)


def is_name(text: str) -> bool:
    """Whether `text` may be a user, organisation or repository name.

    Same rule as the client's `validate_repo_id`, and at most 96 characters per part.
    """
    return (
        _NAME.fullmatch(text) is not None
        and "--" not in text
        and ".." not in text
        and not text.endswith((".git", ".ipynb", ".lock"))
    )


def check_path(path: object) -> str:
    """`path` if it is a plain relative file path inside a repository; refuses it otherwise."""
    if not isinstance(path, str) or not 0 < len(path) <= 1024 or not _writable(path):
        raise Refusal(400, f"Not a file path: {path!r:.200}")
    parts = path.split("/")
    if len(parts) > limits.FOLDERS:
        raise Refusal(400, f"More than {limits.FOLDERS} folders within each other: {path!r:.200}")
    if any(part in ("", ".", "..") or len(part.encode()) > 255 for part in parts):
        raise Refusal(400, f"Not a file path: {path!r:.200}")
    if parts[0].lower() == ".git":
        raise Refusal(400, f"Not a file path: {path!r:.200} (.git is reserved)")
    return path


def check_ref_name(name: object) -> str:
    """`name` if it may name a branch or a tag (git's check-ref-format, a little stricter)."""
    if not isinstance(name, str) or not 0 < len(name) <= 200 or not _writable(name):
        raise Refusal(400, f"Not a branch or tag name: {name!r:.200}")
    parts = name.split("/")
    strange = any(mark in name for mark in ("..", "@{", " ", "~", "^", ":", "?", "*", "["))
    if strange or any(not p or p.startswith((".", "-")) or p.endswith(".lock") for p in parts):
        raise Refusal(400, f"Not a branch or tag name: {name!r:.200}")
    if parts[0] == "refs" or is_commit(name):
        raise Refusal(400, f"Not a branch or tag name: {name!r:.200} (it reads as a revision)")
    return name


def is_sha256(text: object) -> bool:
    """Whether `text` is a sha256 in lower-case hex."""
    return isinstance(text, str) and _SHA256.fullmatch(text) is not None


def is_commit(text: str) -> bool:
    """Whether `text` reads as a full commit id."""
    return _COMMIT.fullmatch(text) is not None


def _writable(text: str) -> bool:
    """No control characters, no backslash, no lone surrogates: it survives disk, JSON and HTML."""
    return text.isprintable() and "\\" not in text and "\ufffd" not in text
