"""What `text_process` does: functions of strangers' texts that may take long."""

from __future__ import annotations

import difflib
from collections.abc import Callable

from hubmerge.localhub.markdown import render


def difference(path: str, old: str, new: str) -> str:
    """What changed in one file, as `diff -u` shows it."""
    before, after = old.splitlines(keepends=True), new.splitlines(keepends=True)
    lines = difflib.unified_diff(before, after, f"a/{path}", f"b/{path}")
    return "".join(line if line.endswith("\n") else f"{line}\n" for line in lines)


WORK: dict[str, Callable[..., str]] = {"render": render, "difference": difference}
