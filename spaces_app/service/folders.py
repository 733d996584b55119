"""Folders of the service: one per job, and a shared cache of public downloads."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

HOUR = 3600
PARTIAL_SUFFIX = ".incomplete"
"""File suffix of the Hub client's partial downloads."""


class Folders:
    """The folders of one service, below `root`."""

    def __init__(self, root: Path) -> None:
        self.root = root.expanduser().resolve()
        self.jobs = self.root / "jobs"
        self.shared = self.root / "shared"
        """Downloads of public repositories."""
        for folder in (self.jobs, self.shared):
            folder.mkdir(parents=True, exist_ok=True)
        self.root.chmod(0o700)

    @property
    def database(self) -> Path:
        """The sqlite file."""
        return self.root / "jobs.sqlite"

    @property
    def verified(self) -> Path:
        """The sqlite file of what was verified."""
        return self.root / "verified.sqlite"

    def job(self, job_id: str) -> Path:
        """Everything that belongs to a job, its private downloads included."""
        return self.jobs / job_id

    def result(self, job_id: str) -> Path:
        """The merge, as `hubmerge merge -o` writes it."""
        return self.job(job_id) / "merge"

    def remove(self, job_id: str) -> None:
        """Remove the folder of a job."""
        shutil.rmtree(self.job(job_id), ignore_errors=True)

    def remove_unknown(self, known: set[str]) -> None:
        """Remove folders of jobs that are not in `known`."""
        for folder in self.jobs.iterdir():
            if folder.name not in known:
                shutil.rmtree(folder, ignore_errors=True)

    def remove_partial_downloads(self, older: float = 0.0) -> None:
        """Remove partial downloads that have not grown for `older` seconds."""
        moment = time.time() - older
        for path in self.shared.rglob(f"*{PARTIAL_SUFFIX}"):
            if _modified(path) <= moment:
                path.unlink(missing_ok=True)

    def shrink(self, limit: int) -> None:
        """Remove the least recently used repositories until the cache has at most `limit` bytes."""
        repositories = sorted((_used(repo), _size(repo), repo) for repo in self.shared.glob("*--*"))
        total = sum(size for _, size, _ in repositories)
        for _, size, repo in repositories:
            if total <= limit:
                return
            shutil.rmtree(repo, ignore_errors=True)
            total -= size


def _modified(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except FileNotFoundError:
        return float("inf")


def _used(repo: Path) -> float:
    return max((blob.st_atime for blob in _blobs(repo)), default=0.0)


def _size(repo: Path) -> int:
    return sum(blob.st_size for blob in _blobs(repo))


def _blobs(repo: Path) -> Iterator[os.stat_result]:
    """Files of `repo`, but for those a concurrent download renames."""
    for path in (repo / "blobs").glob("*"):
        with suppress(FileNotFoundError):
            yield path.stat()
