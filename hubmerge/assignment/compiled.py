"""The compiled kernels: compiled once per precision and machine, then read from numba's cache."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

from filelock import FileLock
from numba import njit

from hubmerge.assignment import kernels

SAFE_MATH = {"nnan", "nsz"}
"""Lets maxima vectorise. The kernels meet no NaN, and take -0 for 0; nothing is reordered."""

_compiling = threading.Lock()


class Kernels(NamedTuple):
    """Entry points for one precision, none of which holds Python's lock while it works."""

    survey: Callable[..., None]
    solve: Callable[..., None]
    row_gaps: Callable[..., None]


def kernels_for(precision: str) -> Kernels:
    """The kernels for "float32" or "float64" matrices."""
    with _compiling:
        return _kernels(precision)


@lru_cache
def _kernels(precision: str) -> Kernels:
    whole = {"float32": "int32", "float64": "int64"}[precision]
    matrix, line = f"{precision}[:,::1]", f"{precision}[::1]"
    prices, rows = "float64[::1]", "int64[::1]"
    return Kernels(
        _compiled(kernels.survey, f"({matrix}, {whole}[:,::1], int64, {line}, {whole}[::1])"),
        _compiled(kernels.solve, f"({matrix}, {line}, {line}, {prices}, {rows}, boolean)"),
        _compiled(kernels.row_gaps, f"({matrix}, {prices}, {rows}, {prices})"),
    )


def _compiled(function: Callable[..., Any], signature: str) -> Any:
    """`function` for arguments of these types, from the cache if it is there.

    numba caches beside the source, or where that is read-only in the user's cache folder or
    NUMBA_CACHE_DIR; where none can be written each process compiles for itself. One process
    compiles at a time, for two that write different signatures would overwrite each other.
    """
    try:
        dispatcher = njit(cache=True, nogil=True, fastmath=SAFE_MATH)(function)
        with _alone(dispatcher.stats.cache_path):
            dispatcher.compile(signature)
    except (RuntimeError, OSError):  # numba: no locator available; a full disk
        dispatcher = njit(nogil=True, fastmath=SAFE_MATH)(function)
        dispatcher.compile(signature)
    dispatcher.disable_compile()
    return dispatcher


@contextmanager
def _alone(folder: str | None) -> Iterator[None]:
    """Keeps other processes that share the cache in `folder` waiting."""
    if folder is None:
        yield
        return
    try:
        lock = FileLock(Path(folder) / "hubmerge-assignment.lock")
        lock.acquire()
    except OSError:  # a file system without locks
        yield
        return
    try:
        yield
    finally:
        lock.release()
