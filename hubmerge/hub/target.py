"""Where the result goes: whether that place is free, and may be written, before the long work."""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from huggingface_hub.errors import (
    GatedRepoError,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)
from pydantic import BaseModel, ConfigDict

from hubmerge.errors import AccessError, NotFoundError, RecipeError, TargetError
from hubmerge.errors.wording import action, leave_out, option, quoted
from hubmerge.hub.client import ask, client, endpoint, signed_in
from hubmerge.hub.source import check_revision, parse_repo_id
from hubmerge.utils.foreign import said
from hubmerge.utils.limits import NAME_CHARACTERS

MOST_NAME = NAME_CHARACTERS - len(".partial-") - 12
"""Bytes of a folder's name: beside it lies, while it is written, one with a longer name."""
ADDRESS = re.compile(r"[a-z]{2,}:/", re.IGNORECASE)
"""What a path begins with that was meant to be an address; Path leaves one of two slashes."""
SHOWN = 80
"""Characters of a name that an error quotes."""

FRESH = frozenset({".gitattributes"})
"""Files of a repository without commits of a user."""


@dataclass(frozen=True)
class RemoteRepo:
    """A model repository as it stands on the Hub."""

    head: str
    """Commit of the branch asked for, or of main if there is no such branch."""
    private: bool
    files: Mapping[str, str]
    """Path -> sha256 of the content, or git's sha1 of the blob for a file outside LFS."""
    has_branch: bool

    @property
    def is_fresh(self) -> bool:
        """Whether it holds nothing: created and left, for instance by an interrupted push."""
        return set(self.files) <= FRESH


class Target(BaseModel):
    """Where the result will be written and pushed."""

    model_config = ConfigDict(frozen=True)

    out: str | None
    repo: str | None
    url: str | None
    exists: bool
    """Whether the repository is there already."""
    head: str | None
    """Its commit at that time: `publish` refuses if it has moved on by then."""
    public: bool | None
    """Visibility of the existing repository."""


def check_target(
    out: Path | None,
    push: str | None,
    *,
    exist_ok: bool = False,
    create_pr: bool = False,
    revision: str | None = None,
    private: bool = False,
) -> Target:
    """Look at the folder `out` and the repository `push` without touching either.

    private: what is pushed must not become public.
    Raises: TargetError, if one exists (and neither `exist_ok` nor `create_pr` allows that), the
    folder cannot be written, or the repository is public and must not be; AccessError, without
    permission to write; RecipeError, for what is no repository name.
    """
    if out is not None:
        check_folder(out)
    if push is None:
        return Target(out=_text(out), repo=None, url=None, exists=False, head=None, public=None)
    repo_id = check_push_options(push, create_pr=create_pr, revision=revision)
    found = look_at(repo_id, revision)
    if found is None:
        if create_pr:
            raise refusal_to_propose(repo_id)
        check_may_create(repo_id)
    else:
        refuse_overwriting(repo_id, found, exist_ok=exist_ok, create_pr=create_pr)
        refuse_disclosure(repo_id, found, private)
        if not create_pr:
            ask(lambda: client().auth_check(repo_id, write=True), repo_id)
    return Target(
        out=_text(out),
        repo=repo_id,
        url=f"{endpoint()}/{repo_id}",
        exists=found is not None,
        head=found.head if found else None,
        public=None if found is None else not found.private,
    )


def check_folder(out: Path) -> None:
    """Raises: TargetError, unless `out` is free (absent, or an empty folder) and writable."""
    if not str(out.absolute()).isprintable() or str(out).startswith("~"):
        raise TargetError(
            f"{quoted(str(out))} is no name of a folder",
            found="a user there is not" if str(out).startswith("~") else "control characters",
            field="out",
        )
    if len(os.fsencode(out.absolute().name)) > MOST_NAME:
        raise TargetError(
            f"{str(out)[:SHOWN]!r} is no name of a folder",
            found=f"a name of {len(str(out)):,} characters",
            hint=f"at most {MOST_NAME} bytes",
            field="out",
        )
    if ADDRESS.match(str(out)):
        raise TargetError(
            f"{quoted(str(out))} is an address, where a folder is expected",
            hint=f"to publish: {option('push', 'ACCOUNT/NAME')}",
            field="out",
        )
    try:
        _check_free(out)
    except OSError as error:
        raise TargetError(
            f"{str(out)[:SHOWN]!r} cannot be written", found=said(error), field="out"
        ) from error


def _check_free(out: Path) -> None:
    if out.is_symlink() or (out.exists() and not (out.is_dir() and not any(out.iterdir()))):
        raise TargetError(
            f"{str(out)!r} exists already",
            hint="nothing is overwritten: name another folder",
            field="out",
        )
    above = out.absolute().parent
    while not above.exists():
        above = above.parent
    if not above.is_dir() or not _takes_folders(above):
        raise TargetError(
            f"{str(out)!r} cannot be written",
            found=f"{above} is {'not writable' if above.is_dir() else 'no folder'}",
            field="out",
        )


def _takes_folders(folder: Path) -> bool:
    """Whether something can be made in `folder`: permissions do not tell, as in /proc."""
    if not os.access(folder, os.W_OK | os.X_OK):
        return False
    try:
        with tempfile.TemporaryDirectory(prefix=".hubmerge-", dir=folder):
            return True
    except OSError:
        return False


def check_push_options(push: str, *, create_pr: bool, revision: str | None) -> str:
    """The repository id to push to. Raises: RecipeError, AccessError without a token."""
    repo_id = parse_repo_id(push)
    if "/" not in repo_id:
        raise RecipeError(
            f"{push!r} names no account", hint=option("push", f"ACCOUNT/{repo_id}"), field="push"
        )
    if revision is not None:
        check_revision(revision, push)
        if create_pr and revision != "main":
            raise RecipeError(
                "a pull request goes to the main branch",
                found=f"{option('create_pr', True)} and {option('revision', revision)}",
                hint="leave out one of the two",
                field="revision",
            )
    if not signed_in():
        raise AccessError(
            f"pushing to {repo_id} needs a token",
            source=endpoint(),
            hint=action("sign in"),
            field="push",
        )
    return repo_id


def look_at(repo_id: str, revision: str | None = None) -> RemoteRepo | None:
    """The repository as it stands; None if there is none this caller may see.

    Raises: AccessError (wrong token, gated), HubUnavailableError.
    """

    def look() -> RemoteRepo | None:
        see = partial(client().model_info, repo_id, files_metadata=True)
        try:
            info, has_branch = see(revision=revision), True
        except GatedRepoError:
            raise
        except RevisionNotFoundError:
            info, has_branch = see(), False
        except RepositoryNotFoundError:
            return None
        files = {
            entry.rfilename: entry.lfs.sha256 if entry.lfs else str(entry.blob_id)
            for entry in info.siblings or []
        }
        return RemoteRepo(str(info.sha), bool(info.private), files, has_branch)

    return ask(look, repo_id)


def check_may_create(repo_id: str) -> None:
    """Raises: AccessError, if the token's account may not create `repo_id`."""
    account, _, _ = repo_id.partition("/")
    me = ask(lambda: client().whoami(), repo_id)
    roles = {me["name"]: "admin"} | {
        org["name"]: org.get("roleInOrg", "write") for org in me.get("orgs", [])
    }
    if account not in roles or roles[account] == "read":
        raise AccessError(
            f"your token may not create {repo_id}",
            found=f"it belongs to {me['name']}, who may write to "
            + ", ".join(sorted(name for name, role in roles.items() if role != "read")),
            hint=option("push", f"{me['name']}/{repo_id.partition('/')[2]}"),
            field="push",
        )
    if me.get("auth", {}).get("accessToken", {}).get("role") == "read":
        raise AccessError(
            f"your token may only read, so it cannot create {repo_id}",
            source=endpoint(),
            hint=f"use a token with the write role: {action('sign in')}",
            field="push",
        )


def refuse_overwriting(repo_id: str, found: RemoteRepo, *, exist_ok: bool, create_pr: bool) -> None:
    """Raises: TargetError, if `found` holds anything and adding to it was not allowed."""
    if not (found.is_fresh or exist_ok or create_pr):
        raise TargetError(
            f"{repo_id} exists already",
            found=f"{len(found.files)} files at commit {found.head[:12]}",
            source=endpoint(),
            hint=f"another name; or {option('create_pr', True)} to propose the merge there; or "
            f"{option('exist_ok', True)} to add a commit to it",
            field="push",
        )


def refusal_to_propose(repo_id: str) -> NotFoundError:
    """The error for a pull request in a repository that does not exist."""
    return NotFoundError(
        f"there is no {repo_id} to open a pull request in",
        source=endpoint(),
        hint=f"{leave_out('create_pr')}: publishing creates the repository",
        field="create_pr",
    )


def refuse_disclosure(repo_id: str, found: RemoteRepo, private: bool) -> None:
    """Raises: TargetError, if what is to stay private would go to a public repository."""
    if private and not found.private:
        raise TargetError(
            f"{repo_id} is public, and this merge is to be private",
            source=endpoint(),
            hint="push to a private repository; or, if you decide that it may be public: "
            + option("private", False),
            field="private",
        )


def _text(path: Path | None) -> str | None:
    return None if path is None else str(path)
