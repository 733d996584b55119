"""Hashes of folders that are begun before they are asked for, on threads of their own.

A folder of a large model takes seconds to hash, in which Python itself has nothing to do: a caller
that knows early which folders will be resolved has them hashed while it does something else.
"""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable, Iterable
from pathlib import Path

BLOCK = 2**24
"""Bytes that are hashed at a time: so many that Python's lock is hardly asked for."""


def digest(folder: Path, names: Iterable[str]) -> str:
    """What the files of a folder, or a single file, are known by."""
    found, block = hashlib.sha256(), memoryview(bytearray(BLOCK))
    for name in names:
        path = folder if folder.is_file() else folder / name
        found.update(f"{name}\0{path.stat().st_size}\0".encode())
        with path.open("rb", buffering=0) as file:
            while count := file.readinto(block):
                found.update(block[:count])
    return f"local-{found.hexdigest()[:40]}"


class _Begun:
    """A hash on its way.

    value: None until it is there, or where there can be none. state: of the folder, before.
    """

    def __init__(self, hashed: Callable[[], str], state: Callable[[], object]) -> None:
        self.value: str | None = None
        self.state: object = None
        self._hashed, self.state_now = hashed, state
        self.thread = threading.Thread(target=self._work, name="hash ahead", daemon=True)
        self.thread.start()

    def _work(self) -> None:
        try:
            self.state = self.state_now()
            self.value = self._hashed()
        except Exception:  # the caller that needs the hash finds the same, and says it
            self.value = None


_begun: dict[Path, _Begun] = {}


def begin(folder: Path, hashed: Callable[[], str], state: Callable[[], object]) -> None:
    """Begins `hashed`, unless that of this folder is begun; returns at once.

    state: what changes with the folder's files. Errors are left to the caller that needs the
    hash. The thread does not keep the process from ending.
    """
    if folder not in _begun:
        _begun[folder] = _Begun(hashed, state)


def taken(folder: Path) -> str | None:
    """The hash that was begun, once it is there, and once only.

    None if none was begun, there can be none, or the folder's files have changed since.
    """
    begun = _begun.pop(folder, None)
    if begun is None:
        return None
    begun.thread.join()
    if begun.value is None or begun.state_now() != begun.state:
        return None
    return begun.value
