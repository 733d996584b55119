"""Where everything lies: one folder per job, and a shared cache of what is public."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

HOUR = 3600
UNFINISHED = ".incomplete"
"""Ending of the Hub client's half downloads."""


class Folders:
    """The places of one service, below `root`."""

    def __init__(self, root: Path) -> None:
        self.root = root.expanduser().resolve()
        self.jobs = self.root / "jobs"
        self.shared = self.root / "shared"
        """Downloads of what anybody may see."""
        for folder in (self.jobs, self.shared):
            folder.mkdir(parents=True, exist_ok=True)
        self.root.chmod(0o700)

    @property
    def base(self) -> Path:
        """The sqlite file."""
        return self.root / "jobs.sqlite"

    def job(self, number: str) -> Path:
        """All a job leaves, its private downloads included: they go when it goes."""
        return self.jobs / number

    def result(self, number: str) -> Path:
        """The merge, as `hubmerge merge -o` writes it."""
        return self.job(number) / "merge"

    def remove(self, number: str) -> None:
        """Everything of a job."""
        shutil.rmtree(self.job(number), ignore_errors=True)

    def sweep(self, known: set[str]) -> None:
        """Removes folders of jobs nobody knows."""
        for folder in self.jobs.iterdir():
            if folder.name not in known:
                shutil.rmtree(folder, ignore_errors=True)

    def forget_halves(self, older: float = 0.0) -> None:
        """Removes half downloads that nothing was added to for `older` seconds."""
        moment = time.time() - older
        for path in self.shared.rglob(f"*{UNFINISHED}"):
            if _touched(path) <= moment:
                path.unlink(missing_ok=True)

    def shrink(self, limit: int) -> None:
        """Removes repositories from the shared cache, the longest unused first, down to `limit`."""
        held = sorted((_used(repo), _size(repo), repo) for repo in self.shared.glob("*--*"))
        total = sum(size for _, size, _ in held)
        for _, size, repo in held:
            if total <= limit:
                return
            shutil.rmtree(repo, ignore_errors=True)
            total -= size


def _touched(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except FileNotFoundError:
        return float("inf")


def _used(repo: Path) -> float:
    return max((blob.st_atime for blob in _blobs(repo)), default=0.0)


def _size(repo: Path) -> int:
    return sum(blob.st_size for blob in _blobs(repo))


def _blobs(repo: Path) -> Iterator[os.stat_result]:
    """Files of `repo`. Somebody's plan may be downloading: half files get other names meanwhile."""
    for path in (repo / "blobs").glob("*"):
        with suppress(FileNotFoundError):
            yield path.stat()
