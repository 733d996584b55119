"""What libraries and the system raise, as errors of hubmerge's."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from hubmerge.errors import (
    AccessError,
    HubmergeError,
    NotFoundError,
    ResourceError,
    TargetError,
)
from hubmerge.errors.wording import quoted
from hubmerge.utils.limits import QUOTED

FULL = {errno.ENOSPC: "the disk is full", errno.EDQUOT: "the disk quota is used up"}
"""System errors that say that nothing more can be written."""
_EXHAUSTED = {
    **FULL,
    errno.ENOMEM: "not enough memory",
    errno.EMFILE: "too many files are open",
    errno.ENFILE: "too many files are open",
    errno.EFBIG: "the file is larger than this system takes",
    errno.EIO: "the disk does not read or write",
}
_OUT_OF_MEMORY = ("can't allocate memory", "not enough memory", "out of memory", "bad_alloc")
"""What torch and C++ say where Python would raise a MemoryError."""
_NO_PLACE = "No usable temporary directory"
"""What Python says, as of a missing file, where no folder for temporary files can be written: every
disk is full, or may not be written."""
_ENDS = (HubmergeError, KeyboardInterrupt, SystemExit, GeneratorExit)


@contextmanager
def refusing(refuse: Callable[[str], HubmergeError]) -> Iterator[None]:
    """Turns what a library stumbles over inside into an error of ours.

    Panics of compiled code are turned as well, which are no `Exception`.
    refuse: makes the error of what the library said.
    Raises: ResourceError, if it was for lack of memory or room; else what `refuse` gives.
    """
    try:
        yield
    except _ENDS:
        raise
    except BaseException as error:
        raise (exhausted(error) or refuse(said(error))) from error


def said(error: BaseException) -> str:
    """An error's type and text, on one line."""
    text = " ".join(str(error).split())
    text = text if len(text) <= QUOTED else f"{text[:QUOTED]} ..."
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


def is_full(error: BaseException) -> bool:
    """Whether there was no room on a disk; safetensors says so in words only."""
    if isinstance(error, OSError) and error.errno is not None:
        return error.errno in FULL
    return any(f"os error {number}" in str(error) for number in FULL)


def exhausted(error: BaseException) -> ResourceError | None:
    """The error for lack of memory, room or files, if `error` or what caused it is that."""
    seen: BaseException | None = error
    for _ in range(10):
        if seen is None:
            return None
        if isinstance(seen, MemoryError) or (
            isinstance(seen, RuntimeError)
            and any(words in str(seen).lower() for words in _OUT_OF_MEMORY)
        ):
            return ResourceError(
                "not enough memory", found=said(seen), hint="close other programs, or a larger host"
            )
        if isinstance(seen, FileNotFoundError) and _NO_PLACE in str(seen):
            return ResourceError(
                "no folder for temporary files can be written",
                found=said(seen),
                hint="make room, or set TMPDIR to a folder on another disk",
            )
        if is_full(seen) or (isinstance(seen, OSError) and seen.errno in _EXHAUSTED):
            what = _EXHAUSTED.get(getattr(seen, "errno", None) or errno.ENOSPC, "")
            return ResourceError(
                what or "the disk is full",
                found=said(seen),
                hint="make room, then start it again: it resumes" if is_full(seen) else None,
            )
        seen = seen.__cause__ or seen.__context__
    return None


def denied(error: BaseException) -> HubmergeError | None:
    """The error for what may not be opened or written, if `error` or what caused it is that."""
    seen: BaseException | None = error
    for _ in range(10):
        if isinstance(seen, OSError) and seen.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
            return system_error(seen)
        seen = None if seen is None else seen.__cause__ or seen.__context__
    return None


def _is_nowhere() -> bool:
    """Whether the folder that a process is in was removed."""
    try:
        os.getcwd()
    except FileNotFoundError:
        return True
    return False


def system_error(error: BaseException) -> HubmergeError | None:
    """The error of ours for one of the system's; None for any other."""
    if (lack := exhausted(error)) is not None:
        return lack
    if not isinstance(error, OSError) or error.errno is None:
        return None
    place = quoted(str(error.filename)) if error.filename is not None else "a file"
    if error.errno in (errno.EACCES, errno.EPERM):
        return AccessError(f"{place} may not be opened", found=said(error), hint="its permissions")
    if error.errno == errno.EROFS:
        return TargetError(
            f"{place} cannot be written",
            found=said(error),
            hint="a folder that may be written; for downloads, HF_HOME names one",
        )
    if error.errno == errno.ENOENT and error.filename is None and _is_nowhere():
        return NotFoundError(
            "the folder that this was started in is no more",
            found=said(error),
            hint="start it in another one",
        )
    if error.errno in (errno.ENOENT, errno.ENOTDIR, errno.EISDIR, errno.ENAMETOOLONG, errno.ELOOP):
        return NotFoundError(f"there is no file {place}", found=said(error))
    return None
