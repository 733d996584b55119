"""The exception of the embedded Hub, and its error codes."""

from __future__ import annotations

from collections.abc import Mapping

WRONG_TOKEN = "Invalid credentials in Authorization header"
"""The client recognises a wrong token by exactly this text."""


class Refusal(Exception):
    """An error response: status, message and error code.

    `code` becomes `X-Error-Code`: `RepoNotFound`, `RevisionNotFound`, `EntryNotFound` or
    `GatedRepo`. `fields` are added to the JSON body, `headers` to the response.
    """

    def __init__(
        self,
        status: int,
        message: str,
        code: str | None = None,
        *,
        fields: Mapping[str, object] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.code = code
        self.fields = dict(fields or {})
        self.headers = dict(headers or {})


def repo_not_found(signed_in: bool) -> Refusal:
    """The same error for a missing repository and for one the caller may not see."""
    return Refusal(404 if signed_in else 401, "Repository not found", "RepoNotFound")


def revision_not_found(revision: str) -> Refusal:
    """No branch, tag, pull request or commit of this repository has that name."""
    return Refusal(404, f"Invalid rev id: {revision}", "RevisionNotFound")


def entry_not_found(path: str, commit: str | None = None) -> Refusal:
    """No such file; `commit` is where it was looked for, so that clients can cache the absence."""
    headers = {"X-Repo-Commit": commit} if commit else None
    return Refusal(404, f"Entry not found: {path}", "EntryNotFound", headers=headers)
