"""Folders that are whole or absent: written beside their place, flushed, then renamed."""

from __future__ import annotations

import glob
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
from safetensors import SafetensorError

from hubmerge.errors import ResourceError, TargetError
from hubmerge.utils.foreign import is_full, said
from hubmerge.utils.workers import Workers


@contextmanager
def atomic_folder(target: Path) -> Iterator[Path]:
    """A folder beside `target` to write into; it becomes `target` in one step at the end.

    Whatever goes wrong inside, `target` is not there afterwards and neither is the folder; what
    a killed process left behind is removed by the next one.
    Raises: TargetError, if `target` exists by then; ResourceError, if the disk is full.
    """
    target = target.absolute()
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise _unwritable(target, error) from error
    _remove_leftovers(target)
    partial = target.parent / f".{target.name}.partial-{os.getpid()}"
    try:
        partial.mkdir()  # inside, so that a signal right after it leaves no folder behind
        yield partial
        _flush(partial)
        os.rename(partial, target)
    except (OSError, SafetensorError) as error:
        if is_full(error):
            raise ResourceError(f"no disk space to write {target}", found=str(error)) from error
        if target.exists():
            raise TargetError(
                f"{str(target)!r} exists already", hint="nothing is overwritten: name another"
            ) from error
        if not partial.exists():
            raise _unwritable(target, error) from error
        raise
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def _unwritable(target: Path, error: Exception) -> TargetError:
    return TargetError(f"{str(target)!r} cannot be written", found=said(error), field="out")


def _remove_leftovers(target: Path) -> None:
    """Removes what processes that are no more left beside `target`."""
    for left in target.parent.glob(f".{glob.escape(target.name)}.partial-*"):
        pid = left.name.rpartition("-")[2]
        if pid.isdigit() and (int(pid) == os.getpid() or not psutil.pid_exists(int(pid))):
            shutil.rmtree(left, ignore_errors=True)


def _flush(folder: Path) -> None:
    """Waits until everything in `folder` is on the disk."""
    for path in (*folder.rglob("*"), folder):
        descriptor = os.open(path, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


class SharedAtomicFolder:
    """`atomic_folder` on the main process, whose folder every process gets to read from."""

    def __init__(self, out: Path, workers: Workers) -> None:
        self._workers = workers
        self._folder = atomic_folder(out) if workers.is_main else None

    def __enter__(self) -> Path:
        folder = self._folder
        try:
            return self._workers.on_main(lambda: folder.__enter__() if folder else Path())
        except BaseException as error:  # a with statement that was not entered is not left either
            if folder is not None:
                folder.__exit__(type(error), error, error.__traceback__)
            raise

    def __exit__(self, *error: object) -> None:
        folder = self._folder
        if error[0] is not None:
            if folder is not None:
                folder.__exit__(*error)  # type: ignore[arg-type]
            return
        self._workers.on_main(lambda: folder.__exit__(None, None, None) if folder else None)
