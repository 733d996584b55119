"""Whole shards of a merge that was stopped, kept beside its target until it is made."""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from hubmerge.streaming.shards import Shards, header
from hubmerge.utils.kept_folders import kept_folder, kept_folders

LOCK = ".lock"
"""Held by the process that writes into the folder; the system frees it when that ends."""


def place_of(target: Path, words: str) -> Path:
    """The folder for shards of the merge that `words` describe, which is to become `target`."""
    key = hashlib.sha256(words.encode()).hexdigest()[:16]
    return kept_folder(target, key)


@contextmanager
def kept_at(place: Path) -> Iterator[bool]:
    """Whether the folder `place` is this process's to write into, which it is made for.

    False where another process writes into it, or no folder can be made there.
    """
    lock = FileLock(place / LOCK, blocking=False)
    try:
        place.mkdir(exist_ok=True)
        lock.acquire()
    except (OSError, Timeout):
        yield False
        return
    try:
        yield True
    finally:
        lock.release()


def note(place: Path, file: str, sha256: str) -> None:
    """Says what a shard that is now whole is recognised by."""
    (place / f".{file}.sha256").write_text(sha256, encoding="ascii")


def whole_shards(place: Path, shards: Shards) -> dict[str, str]:
    """Those of the shards that lie in `place` as they were written: file name -> sha256.

    All else in it is removed.
    """
    found = {}
    for file, slots in shards.files.items():
        path, noted = place / file, place / f".{file}.sha256"
        if not (path.is_file() and noted.is_file()):
            continue
        beginning = header(slots)
        with path.open("rb") as opened:
            if opened.read(len(beginning)) != beginning:
                continue
            opened.seek(0)
            digest = hashlib.file_digest(opened, "sha256").hexdigest()
        if digest == noted.read_text(encoding="ascii"):
            found[file] = digest
    for path in place.iterdir():
        if path.name != LOCK and path.name.removeprefix(".").removesuffix(".sha256") not in found:
            path.unlink()
    return found


def move_in(place: Path, shards: Shards, folder: Path) -> None:
    """Puts the shards that lie in `place` into `folder` as well, as links where there are such."""
    for file in shards.files:
        try:
            os.link(place / file, folder / file)
        except OSError:  # a file system without links
            os.replace(place / file, folder / file)


def forget(target: Path, but: Path | None = None) -> None:
    """Removes shards kept for `target`, which other processes are not writing.

    but: the folder that is left alone.
    """
    for place in kept_folders(target):
        if place == but:
            continue
        with kept_at(place) as ours:
            if ours:
                shutil.rmtree(place, ignore_errors=True)
