"""Publishing a finished folder: one commit with all of it, or nothing.

Nothing is ever deleted, and a repository that was there before is only added to when that was
asked for.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

from huggingface_hub import CommitOperationAdd

from hubmerge.errors import ConflictError, NotFoundError, RecipeError, TargetError
from hubmerge.hub.client import ask, bars, client, endpoint, translate
from hubmerge.hub.layout import INDEX, WEIGHTS
from hubmerge.hub.source import folder_files
from hubmerge.hub.target import (
    RemoteRepo,
    check_push_options,
    look_at,
    refuse_disclosure,
    refuse_overwriting,
    refuse_proposing_to_nobody,
)


@dataclass(frozen=True)
class Published:
    """What stands on the Hub now."""

    repo: str
    url: str
    commit: str
    pr_url: str | None
    changed: bool
    """False if everything was there already and nothing was done."""


def publish(
    folder: Path,
    repo_id: str,
    *,
    private: bool,
    create_pr: bool = False,
    revision: str | None = None,
    exist_ok: bool = False,
    message: str = "Upload a model merged with hubmerge",
    parent: str | None = None,
) -> Published:
    """Push every file of `folder` (hidden ones aside) in one commit.

    private: a repository that is created is private, and an existing one must be.
    revision: branch to write to, created if absent. parent: the head this was decided upon
    (`Target.head`); None takes the head of now.
    Raises: TargetError, if the repository holds something and neither `exist_ok` nor `create_pr`
    is given; ConflictError, if it moved on from `parent`; AccessError; HubUnavailableError, after
    which the same call completes what is missing.
    """
    repo_id = check_push_options(repo_id, create_pr=create_pr, revision=revision)
    names = folder_files(folder)
    if not names:
        raise NotFoundError(f"{str(folder)!r} holds nothing to publish")
    url = f"{endpoint()}/{repo_id}"
    found = look_at(repo_id, revision)
    if found is not None and found.has_branch and holds(found, folder, names):
        return Published(repo_id, url, found.head, None, changed=False)
    if found is not None:
        refuse_overwriting(repo_id, found, exist_ok=exist_ok, create_pr=create_pr)
        refuse_disclosure(repo_id, found, private)
        _refuse_shadowing(repo_id, found, names)
    if found is not None and parent not in (None, found.head):
        raise ConflictError(
            f"{repo_id} changed while the merge was made",
            found=f"commit {found.head[:12]}, it was {str(parent)[:12]}",
            source=url,
            hint="look at what was changed there, then push again",
        )
    if found is None:
        refuse_proposing_to_nobody(repo_id, create_pr)
    head = _prepare(repo_id, revision, found, private)
    commit, pr_url = _commit(folder, names, repo_id, revision, head, create_pr, message)
    return Published(repo_id, url, commit, pr_url, changed=True)


def holds(repo: RemoteRepo, folder: Path, names: list[str]) -> bool:
    """Whether `repo` has every file `names` of `folder` with the same content."""
    return all(
        name in repo.files and repo.files[name] == _digest(folder / name, len(repo.files[name]))
        for name in names
    )


def _digest(path: Path, length: int) -> str:
    """The content's sha256 (64 digits), or its sha1 as a git blob (40), whichever is `length`."""
    if length == 64:
        digest = hashlib.sha256()
    else:
        digest = hashlib.sha1(f"blob {path.stat().st_size}\0".encode(), usedforsecurity=False)
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def _refuse_shadowing(repo_id: str, found: RemoteRepo, names: list[str]) -> None:
    """transformers prefers one file to shards: an old one would be loaded instead of ours."""
    if WEIGHTS in found.files and WEIGHTS not in names and INDEX in names:
        raise TargetError(
            f"{repo_id} holds {WEIGHTS}, which would be loaded instead of the merged shards",
            hint="push to another repository; nothing is deleted from this one",
        )


def _prepare(repo_id: str, revision: str | None, found: RemoteRepo | None, private: bool) -> str:
    """Create the repository and the branch where they are missing; the head to build upon."""

    def ready() -> str:
        repo = found or look_at(repo_id, revision)
        if repo is None:
            client().create_repo(repo_id, private=private)
            repo = look_at(repo_id, revision)
        elif found is None and not repo.is_fresh:
            raise ConflictError(f"{repo_id} was created by somebody else meanwhile")
        if repo is None:
            raise NotFoundError(f"{repo_id} was created but cannot be seen", source=endpoint())
        if revision is not None and not repo.has_branch:
            client().create_branch(repo_id, branch=revision, revision=repo.head, exist_ok=True)
        return repo.head

    return ask(ready, repo_id)


def _commit(
    folder: Path,
    names: list[str],
    repo_id: str,
    revision: str | None,
    head: str,
    create_pr: bool,
    message: str,
) -> tuple[str, str | None]:
    """Upload and commit; the commit, and the pull request's address if there is one."""
    additions = [CommitOperationAdd(name, folder / name) for name in names]

    def upload() -> None:
        with bars():
            client().preupload_lfs_files(
                repo_id, additions, revision=revision, create_pr=create_pr, free_memory=False
            )

    def commit() -> tuple[str, str | None]:
        try:
            done = client().create_commit(
                repo_id,
                additions,
                commit_message=message,
                revision=revision,
                create_pr=create_pr,
                parent_commit=head,
            )
        except ValueError as error:
            if isinstance(error, OSError):  # an answer of the Hub's, translated by `ask`
                raise
            raise RecipeError("the Hub refuses the model card", found=str(error)) from error
        return done.oid, done.pr_url

    def commit_once() -> tuple[str, str | None]:
        """A commit whose answer was lost is found done, not taken for somebody else's."""
        found = look_at(repo_id, revision)
        if found is not None and found.head != head and holds(found, folder, names):
            return found.head, None
        return commit()

    ask(upload, repo_id)
    if create_pr:  # not repeated: a lost answer would open a second pull request
        with translate(repo_id):
            return commit()
    return ask(commit_once, repo_id)
