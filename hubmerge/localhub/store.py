"""Repositories on disk: commits that never change, and one small file per repository that does.

    ROOT/blobs/ab/abcd…                          bytes of every file, by sha256
    ROOT/repos/{type}/{namespace}/{name}/
        commits/{id}.json                        a Commit, named by its hash
        lfs/{sha256}                             (empty) this blob belongs to this repository
        state.json                               a State: refs, settings, discussions
    ROOT/uploads/{user}/{sha256}                 (empty) this user has sent these bytes
    ROOT/sent/{user}                             how many bytes this user has sent

Blobs are written before the commits that name them, commits before the refs that name them, each
by one rename. A change of a repository is: take its lock, read `state.json`, replace it. So a kill
at any point leaves the state before or the state after, and parallel writers follow one another.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from hubmerge.localhub import limits
from hubmerge.localhub.blobs import Blobs
from hubmerge.localhub.disk import Disk
from hubmerge.localhub.names import TYPES, RepoKey, check_ref_name, is_commit, repo_key
from hubmerge.localhub.quota import Quota
from hubmerge.localhub.records import Commit, State, now
from hubmerge.localhub.refusal import Refusal, revision_not_found
from hubmerge.localhub.trees import Operation, apply

MAIN = "refs/heads/main"


class Store:
    """All repositories of one embedded Hub."""

    def __init__(self, root: Path) -> None:
        self.disk = Disk(root)
        self.blobs = Blobs(self.disk)
        self.quota = Quota(self.disk)

    # Repositories

    def repositories(self) -> Iterator[RepoKey]:
        """Every repository there is, sorted by type and id."""
        for type_ in TYPES:
            for path in sorted((self.disk.root / "repos" / type_).glob("*/*/state.json")):
                key = repo_key(type_, path.parts[-3], path.parts[-2])
                if key is not None:
                    yield key

    def count(self, namespace: str) -> int:
        """Number of repositories of `namespace`."""
        return sum(1 for _ in (self.disk.root / "repos").glob(f"*/{namespace}/*/state.json"))

    def state(self, key: RepoKey) -> State | None:
        """The present state of a repository, or None if there is no such repository."""
        try:
            return State.model_validate_json((self._home(key) / "state.json").read_bytes())
        except FileNotFoundError:
            return None

    def create(self, key: RepoKey, author: str, private: bool) -> bool:
        """Makes a repository with one empty commit on `main`; False if it was there already."""
        with self.disk.lock(f"{key.type}/{key.id}"):
            if self.state(key) is not None:
                return False
            first = Commit(parents=(), tree={}, author=author, date=now(), title="initial commit")
            refs = {MAIN: self._write_commit(key, first)}
            state = State(author=author, created=first.date, private=private, refs=refs)
            self._write_state(key, state)
            return True

    def delete(self, key: RepoKey) -> None:
        """Removes a repository with all its commits (blobs may belong to others and stay)."""
        with self.disk.lock(f"{key.type}/{key.id}"):
            if self.state(key) is not None:
                self.disk.discard(self._home(key))

    @contextmanager
    def changing(self, key: RepoKey) -> Iterator[State]:
        """The state of `key` to be changed in place; written when the block ends well."""
        with self.disk.lock(f"{key.type}/{key.id}"):
            state = self.state(key)
            if state is None:
                raise Refusal(404, "Repository not found", "RepoNotFound")
            yield state
            self._write_state(key, state)

    # Commits

    def resolve(self, state: State, revision: str) -> str:
        """Commit id behind a branch, a tag, a full ref name or a commit id."""
        for ref in (f"refs/heads/{revision}", f"refs/tags/{revision}", revision):
            if ref in state.refs:
                return state.refs[ref]
        if is_commit(revision):
            return revision
        raise revision_not_found(revision)

    def commit(self, key: RepoKey, oid: str) -> Commit:
        """A commit of this repository by its id."""
        path = self._home(key) / "commits" / f"{oid}.json"
        try:
            return Commit.model_validate_json(path.read_bytes())
        except FileNotFoundError:
            raise revision_not_found(oid) from None

    def history(
        self, key: RepoKey, oid: str, files: int | None = None
    ) -> Iterator[tuple[str, Commit]]:
        """The commit and its first parents, newest first.

        Parameters:
            files: where to stop: after commits that hold so many files, summed.
        """
        seen = 0
        while files is None or seen <= files:
            commit = self.commit(key, oid)
            seen += 1 + len(commit.tree)
            yield oid, commit
            if not commit.parents:
                return
            oid = commit.parents[0]

    def add_commit(
        self,
        key: RepoKey,
        state: State,
        ref: str,
        operations: Iterable[Operation],
        author: str,
        title: str,
        message: str = "",
        expected: str | None = None,
    ) -> str:
        """Applies `operations` on top of `ref` and moves it; returns the commit it points to.

        For use inside `changing`. Operations that change nothing leave the head as it is, so that
        a client which lost the answer may ask again. Refuses (412) if `ref` is not at `expected`.
        """
        head = state.refs[ref]
        if expected is not None and not head.startswith(expected.lower()):
            raise Refusal(412, f"{ref} is at {head}, not at {expected}: it has changed meanwhile")
        before = self.commit(key, head).tree
        after = apply(before, operations)
        if after != before:
            commit = Commit(
                parents=(head,), tree=after, author=author, date=now(), title=title, message=message
            )
            state.refs[ref] = self.write_commit(key, commit)
        return state.refs[ref]

    def write_commit(self, key: RepoKey, commit: Commit) -> str:
        """Stores a commit and returns its id. No ref names it yet."""
        for entry in commit.tree.values():
            if entry.lfs:
                _mark(self._home(key) / "lfs" / entry.sha256)
        return self._write_commit(key, commit)

    # Branches and tags

    def add_ref(self, key: RepoKey, kind: str, name: str, revision: str) -> None:
        """A new branch (`heads`) or tag (`tags`) at `revision`; refuses (409) an existing one."""
        ref = f"refs/{kind}/{check_ref_name(name)}"
        with self.changing(key) as state:
            if ref in state.refs:
                raise Refusal(409, f"Reference already exists: {ref}")
            require_refs(state)
            oid = self.resolve(state, revision)
            self.commit(key, oid)
            state.refs[ref] = oid

    def remove_ref(self, key: RepoKey, kind: str, name: str) -> None:
        """Deletes a branch other than `main`, or a tag."""
        ref = f"refs/{kind}/{name}"
        with self.changing(key) as state:
            if ref == MAIN:
                raise Refusal(403, "The branch main cannot be deleted")
            if ref not in state.refs:
                raise revision_not_found(name)
            del state.refs[ref]

    # Who may name which blob

    def mark_uploaded(self, user: str, sha256: str) -> None:
        """`user` has sent these bytes, so may put them into any commit."""
        _mark(self.disk.root / "uploads" / user / sha256)

    def may_claim(self, key: RepoKey, user: str, sha256: str) -> bool:
        """Whether `user` sent this blob, or it belongs to this repository already.

        Knowing a hash is no proof of having seen the bytes: otherwise anyone could commit the
        hash of a file in someone's private repository, and download it.
        """
        theirs = self.disk.root / "uploads" / user / sha256
        return theirs.exists() or (self._home(key) / "lfs" / sha256).exists()

    # On disk

    def _home(self, key: RepoKey) -> Path:
        return self.disk.root / "repos" / key.type / key.namespace / key.name

    def _write_state(self, key: RepoKey, state: State) -> None:
        content = state.model_dump_json(indent=1, warnings="error").encode()
        State.model_validate_json(content)  # what cannot be read again would break every listing
        self.disk.write(self._home(key) / "state.json", content)

    def _write_commit(self, key: RepoKey, commit: Commit) -> str:
        oid, content = commit.packed()
        self.quota.charge(commit.author, len(content))
        try:
            self.disk.write(self._home(key) / "commits" / f"{oid}.json", content)
        except OSError:
            self.quota.charge(commit.author, -len(content))
            raise
        return oid


def require_refs(state: State) -> None:
    """Refuses (413) where a repository has as many branches, tags and pull requests as it may."""
    if len(state.refs) >= limits.REFS:
        raise Refusal(413, f"A repository has at most {limits.REFS:,} references")


def _mark(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch()
