"""Atomic writes, and locks that are released when their process dies."""

from __future__ import annotations

import hashlib
import os
import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from filelock import FileLock, Timeout


class Disk:
    """The folder of one embedded Hub, shared by any number of threads and processes.

    Layout: `locks/` one file per thing that is changed by reading and replacing it, `tmp/` one
    folder per living process, and whatever the callers put beside them.
    """

    def __init__(self, root: Path) -> None:
        """Opens (or makes) `root`, and removes what killed processes left in `tmp/`."""
        self.root = root
        (root / "locks").mkdir(parents=True, exist_ok=True)
        self._scratch = root / "tmp" / uuid.uuid4().hex
        with self.lock("tmp"):
            for lock in (root / "tmp").glob("*.lock"):
                _sweep_if_dead(lock)
            self._scratch.mkdir(parents=True)
            self._alive = FileLock(self._scratch.with_suffix(".lock"), thread_local=False)
            self._alive.acquire()

    def close(self) -> None:
        """Removes the scratch folder."""
        shutil.rmtree(self._scratch, ignore_errors=True)
        self._alive.release()
        self._scratch.with_suffix(".lock").unlink(missing_ok=True)

    def scratch(self) -> Path:
        """A fresh path for a file that is not whole yet."""
        return self._scratch / uuid.uuid4().hex

    @contextmanager
    def lock(self, what: str) -> Iterator[None]:
        """Exclusive lock on `what` among all threads and processes."""
        name = hashlib.sha256(what.encode()).hexdigest()[:32]
        with FileLock(self.root / "locks" / name):
            yield

    def publish(self, scratch: Path, target: Path) -> None:
        """Moves a finished scratch file to `target` in one step; on disk before this returns."""
        with scratch.open("rb") as file:
            os.fsync(file.fileno())
        target.parent.mkdir(parents=True, exist_ok=True)
        os.replace(scratch, target)
        _sync_folder(target.parent)

    def write(self, target: Path, content: bytes, mode: int = 0o644) -> None:
        """Replaces `target` by `content` in one step."""
        scratch = self.scratch()
        try:
            with open(os.open(scratch, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb") as file:
                file.write(content)
            self.publish(scratch, target)
        except OSError:  # a disk that is full keeps no half of a file
            scratch.unlink(missing_ok=True)
            raise

    def discard(self, folder: Path) -> None:
        """Removes `folder`: gone from its place in one step, then from disk."""
        grave = self.scratch()
        os.replace(folder, grave)
        shutil.rmtree(grave, ignore_errors=True)


def _sweep_if_dead(lock: Path) -> None:
    with suppress(Timeout, OSError):
        with FileLock(lock, timeout=0):
            shutil.rmtree(lock.with_suffix(""), ignore_errors=True)
        lock.unlink(missing_ok=True)


def _sync_folder(folder: Path) -> None:
    """Makes a rename in `folder` durable, on systems that let a folder be opened."""
    with suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
