"""Places that a recipe names are asked for on a terminal, and nowhere else."""

from __future__ import annotations

import os
import pty
import select
import sys

import pytest

from hubmerge.cli.command import confirm_places

PLACES = {"model_b": "/models/\x1b[2Jright"}


@pytest.mark.parametrize(("typed", "answer"), [("y", True), ("n", False), ("", False)])
def test_a_terminal_is_asked(monkeypatch: pytest.MonkeyPatch, typed: str, answer: bool) -> None:
    monkeypatch.delenv("WORLD_SIZE", raising=False)
    shown, end = pty.openpty()
    with os.fdopen(end, "r+b", buffering=0) as raw:
        stream = os.fdopen(os.dup(raw.fileno()), "r")
        output = os.fdopen(os.dup(raw.fileno()), "w", buffering=1)
        with stream, output:
            monkeypatch.setattr(sys, "stdin", stream)
            monkeypatch.setattr(sys, "stderr", output)
            os.write(shown, f"{typed}\n".encode())
            ask = confirm_places()
            assert ask is not None
            assert ask(PLACES) is answer
            said = ""
            while "right" not in said and select.select([shown], [], [], 10)[0]:
                said += os.read(shown, 10_000).decode()
    os.close(shown)
    assert "model_b: /models/\\u001b[2Jright" in said
    assert "\x1b[2J" not in said


def test_nobody_is_asked_without_one() -> None:
    assert confirm_places() is None
