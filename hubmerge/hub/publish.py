"""Publishing a finished folder: one commit with all of it, or nothing; then looked at again.

Nothing is ever deleted, and a repository that was there before is only added to when that was
asked for.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from huggingface_hub import CommitInfo, CommitOperationAdd

from hubmerge.errors import (
    ConflictError,
    NotFoundError,
    RecipeError,
    TargetError,
    VerificationError,
)
from hubmerge.errors.wording import option
from hubmerge.hub.benchmarks import result_files
from hubmerge.hub.client import ask, bars, cache_folder, client, endpoint
from hubmerge.hub.layout import INDEX, WEIGHTS
from hubmerge.hub.proposals import Proposal, own_proposals, withdraw
from hubmerge.hub.source import folder_files
from hubmerge.hub.target import (
    RemoteRepo,
    Target,
    check_push_options,
    look_at,
    refusal_to_propose,
    refuse_disclosure,
    refuse_overwriting,
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
    target: Target | None = None,
) -> Published:
    """Push every file of `folder` in one commit, and see that it stands there.

    Of hidden files only results in benchmarks are pushed.

    private: a repository that is created is private, and an existing one must be.
    revision: branch to write to, created if absent. message: title of the commit, by which an open
    pull request of one's own is known again and continued. target: the repository as it was when
    this was decided; None takes it as it is now.
    Raises: TargetError, if the repository holds something and neither `exist_ok` nor `create_pr`
    is given; ConflictError, if it is not as in `target` any more; AccessError; HubUnavailableError,
    after which the same call completes what is missing; VerificationError, if the Hub then holds
    anything else than `folder`.
    """
    repo_id = check_push_options(repo_id, create_pr=create_pr, revision=revision)
    names = [*folder_files(folder), *result_files(folder)]
    if not names:
        raise NotFoundError(f"{str(folder)!r} holds nothing to publish")
    _refuse_links_out(folder, names)
    url = f"{endpoint()}/{repo_id}"
    found = look_at(repo_id, revision)
    if found is not None and found.has_branch and holds(found, folder, names):
        return Published(repo_id, url, found.head, None, changed=False)
    if found is not None:
        refuse_overwriting(repo_id, found, exist_ok=exist_ok, create_pr=create_pr)
        refuse_disclosure(repo_id, found, private)
        _refuse_shadowing(repo_id, found, names)
    _refuse_changed(repo_id, found, target)
    push = _Push(folder, tuple(names), repo_id, message)
    if create_pr:
        if found is None:
            raise refusal_to_propose(repo_id)
        return push.as_proposal(found.head)
    head = _prepare(repo_id, revision, found, private)
    commit = push.to_branch(revision, head)
    push.check(commit)
    return Published(repo_id, url, commit, None, changed=True)


def holds(repo: RemoteRepo, folder: Path, names: Sequence[str]) -> bool:
    """Whether `repo` has every file `names` of `folder` with the same content."""
    return not differing(repo, folder, names)


def differing(repo: RemoteRepo, folder: Path, names: Sequence[str]) -> list[str]:
    """Those of `names` that `repo` lacks, or holds with other content than `folder`."""
    return [
        name
        for name in names
        if name not in repo.files
        or repo.files[name] != _digest(folder / name, len(repo.files[name]))
    ]


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


def _refuse_links_out(folder: Path, names: Sequence[str]) -> None:
    """Raises: TargetError, where a file is a link to one elsewhere, which the folder's writer need
    not be the user to have named. Links within the folder, or within the Hub's cache, are followed.
    """
    own, cache = folder.resolve(), cache_folder().resolve()
    for name in names:
        real = (folder / name).resolve()
        if not (
            real.is_relative_to(own) or (own.is_relative_to(cache) and real.is_relative_to(cache))
        ):
            raise TargetError(
                f"{str(folder / name)!r} is a link that leads out of its folder, and not followed",
                found=str(real),
                hint="copy the file there if it belongs to the merge, or remove the link",
            )


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
            raise ConflictError(f"{repo_id} was created by another user meanwhile")
        if repo is None:
            raise NotFoundError(f"{repo_id} was created but cannot be seen", source=endpoint())
        if revision is not None and not repo.has_branch:
            client().create_branch(repo_id, branch=revision, revision=repo.head, exist_ok=True)
        return repo.head

    return ask(ready, repo_id)


def _refuse_changed(repo_id: str, found: RemoteRepo | None, target: Target | None) -> None:
    """Raises: ConflictError, if the repository is not what was decided upon.

    A repository that was created meanwhile and is still empty is no conflict.
    """
    if target is None or (found is not None and not target.exists and found.is_fresh):
        return
    now = found.head if found is not None else None
    if now != target.head:
        said = [f"commit {head[:12]}" if head else "no repository" for head in (now, target.head)]
        raise ConflictError(
            f"{repo_id} changed while the merge was made",
            found=f"{said[0]}, it was {said[1]}",
            source=f"{endpoint()}/{repo_id}",
            hint="look at what was changed there, then push again",
        )


@dataclass(frozen=True)
class _Push:
    """One folder on its way to one repository."""

    folder: Path
    names: tuple[str, ...]
    repo_id: str
    message: str

    def to_branch(self, revision: str | None, head: str) -> str:
        """One commit on top of `head`; its id."""
        additions = self._uploaded(revision)

        def once() -> str:
            """A commit whose answer was lost is found done, not taken for another user's."""
            found = look_at(self.repo_id, revision)
            if found is not None and found.head != head and self._stands(found):
                return found.head
            return self._commit(additions, revision, head).oid

        return ask(once, self.repo_id)

    def as_proposal(self, head: str) -> Published:
        """One pull request that starts at `head`; one of the same title is continued."""
        url = f"{endpoint()}/{self.repo_id}"
        own = own_proposals(self.repo_id, self.message)
        if (there := self._only(own)) is not None:
            return Published(self.repo_id, url, there.repo.head, there.url, changed=False)
        if own:
            commit = self.to_branch(own[0].ref, own[0].repo.head)
            self.check(own[0].ref)
            return Published(self.repo_id, url, commit, own[0].url, changed=True)
        additions = self._uploaded(None, create_pr=True)

        def once() -> tuple[str, str, str]:
            """A request whose answer was lost is found open, not opened a second time."""
            for each in own_proposals(self.repo_id, self.message):
                if self._stands(each.repo):
                    return each.repo.head, each.url, each.ref
            done = self._commit(additions, None, head, create_pr=True)
            return done.oid, str(done.pr_url), str(done.pr_revision)

        commit, pr_url, ref = ask(once, self.repo_id)
        self.check(ref)
        there = self._only(own_proposals(self.repo_id, self.message))
        if there is None or there.ref == ref:
            return Published(self.repo_id, url, commit, pr_url, changed=True)
        return Published(self.repo_id, url, there.repo.head, there.url, changed=False)

    def _only(self, own: Sequence[Proposal]) -> Proposal | None:
        """The oldest of them that holds this merge. The Hub has no lock: a process that finds
        that the same was proposed twice in one moment closes the younger."""
        standing = [each for each in own if self._stands(each.repo)]
        for younger in standing[1:]:
            withdraw(self.repo_id, younger, f"The same merge was proposed in {standing[0].url}")
        return standing[0] if standing else None

    def check(self, revision: str) -> None:
        """Raises: VerificationError, unless every file stands at `revision` as it is here."""
        found = look_at(self.repo_id, revision)
        wrong = list(self.names)
        if found is not None and found.has_branch:
            wrong = differing(found, self.folder, self.names)
        if wrong:
            raise VerificationError(
                f"{self.repo_id} does not hold what was pushed to it",
                found=f"missing or different: {', '.join(wrong)}",
                source=f"{endpoint()}/{self.repo_id}/tree/{revision}",
                hint=f"publish again with {option('exist_ok', True)}; if it stays so, report it "
                "to the owner of the Hub",
            )

    def _stands(self, repo: RemoteRepo) -> bool:
        return holds(repo, self.folder, self.names)

    def _uploaded(
        self, revision: str | None, *, create_pr: bool = False
    ) -> list[CommitOperationAdd]:
        """The files, the large ones sent."""
        additions = [CommitOperationAdd(name, self.folder / name) for name in self.names]

        def upload() -> None:
            with bars():
                client().preupload_lfs_files(
                    self.repo_id,
                    additions,
                    revision=revision,
                    create_pr=create_pr,
                    free_memory=False,
                )

        ask(upload, self.repo_id)
        return additions

    def _commit(
        self,
        additions: list[CommitOperationAdd],
        revision: str | None,
        head: str,
        *,
        create_pr: bool = False,
    ) -> CommitInfo:
        try:
            return client().create_commit(
                self.repo_id,
                additions,
                commit_message=self.message,
                revision=revision,
                create_pr=create_pr,
                parent_commit=head,
            )
        except ValueError as error:
            if isinstance(error, OSError):  # an answer of the Hub's, translated by `ask`
                raise
            raise RecipeError("the Hub refuses the model card", found=str(error)) from error
