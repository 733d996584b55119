"""What the C library does with memory that is freed."""

from __future__ import annotations

import ctypes
from contextlib import suppress

TRIM_THRESHOLD, MMAP_THRESHOLD = -1, -3
"""Parameters of glibc's mallopt, by their numbers in malloc.h."""

KEPT = 256 * 2**20
"""Freed bytes at the end of a heap that are not given back to the system."""

MAPPED = 32 * 2**20
"""Bytes from which on a block gets pages of its own; the most that glibc takes."""


def reuse_freed_blocks() -> None:
    """Lets this process use small blocks again instead of asking the system for new pages.

    By default every temporary tensor of a few MiB costs the zeroing of its pages, which takes
    longer than a sum over it. Without effect where the C library is not glibc.
    """
    with suppress(OSError, AttributeError):
        mallopt = ctypes.CDLL(None).mallopt
        mallopt(TRIM_THRESHOLD, KEPT)
        mallopt(MMAP_THRESHOLD, MAPPED)
