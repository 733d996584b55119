"""Pointers of git-lfs: a few lines of text in place of a large file that was not fetched."""

from __future__ import annotations

from pathlib import Path

LFS = b"version https://git-lfs.github.com/spec/"
"""What a pointer begins with. Source: https://github.com/git-lfs/git-lfs/blob/main/docs/spec.md"""

POINTER_BYTES = 1024
"""No pointer is larger."""

FETCH = "in that repository: git lfs install && git lfs pull"
"""What to try."""


def is_pointer(start: bytes) -> bool:
    """Whether a file that begins so is a pointer."""
    return start.startswith(LFS)


def is_pointer_file(path: Path) -> bool:
    """Whether the file there is a pointer, and not the file itself."""
    if not path.is_file() or path.stat().st_size > POINTER_BYTES:
        return False
    with path.open("rb") as file:
        return is_pointer(file.read(len(LFS)))
