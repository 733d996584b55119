"""A folder that arrives whole or not at all, wherever a signal falls."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any

import pytest

from hubmerge.errors import TargetError
from hubmerge.utils import atomic_folder as module
from hubmerge.utils.atomic_folder import SharedAtomicFolder, atomic_folder
from hubmerge.utils.workers import Workers

WATCHED = {module.__file__, contextlib.__file__}
MOST = 2_000


@contextmanager
def struck_at(step: int) -> Iterator[Callable[[], bool]]:
    """A Ctrl-C just before the `step`-th instruction of the code under test; whether it fell."""
    seen = 0

    def watch(frame: FrameType, event: str, arg: Any) -> Any:
        nonlocal seen
        if frame.f_code.co_filename not in WATCHED:
            return None
        # These only clear up after others, which the next run does again.
        if frame.f_code.co_name in ("_remove_leftovers", "_is_disk_full"):
            return None
        frame.f_trace_opcodes = True
        if event == "opcode":
            seen += 1
            if seen == step:
                raise KeyboardInterrupt
        return watch

    before = sys.gettrace()
    sys.settrace(watch)
    try:
        yield lambda: seen >= step
    finally:
        sys.settrace(before)


@pytest.mark.parametrize("kind", ["one process", "of all processes"])
def test_a_signal_leaves_all_or_nothing(tmp_path: Path, kind: str) -> None:
    workers = Workers(1)
    step, arrived, stopped = 0, 0, 0
    while not arrived:
        step += 1
        target = tmp_path / str(step) / "out"
        opening = (
            atomic_folder(target) if kind == "one process" else SharedAtomicFolder(target, workers)
        )
        with contextlib.suppress(KeyboardInterrupt), struck_at(step) as struck, opening as partial:
            (partial / "a").write_text("whole")
        stopped += struck()
        arrived += not struck()
        del opening
        left = {path.name for path in target.parent.glob("*")} if target.parent.exists() else set()
        assert left <= {"out"}, step
        assert not left or (target / "a").read_text() == "whole"
        assert step < MOST
    assert stopped > 20


def test_what_is_there_is_not_overwritten(tmp_path: Path) -> None:
    target = tmp_path / "out"
    opening = atomic_folder(target)
    partial = opening.__enter__()
    (partial / "mine").touch()
    target.mkdir()
    (target / "theirs").touch()
    with pytest.raises(TargetError, match="exists already"):
        opening.__exit__(None, None, None)
    assert [path.name for path in tmp_path.iterdir()] == ["out"]
    assert [path.name for path in target.iterdir()] == ["theirs"]
