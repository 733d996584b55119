"""The line on a real terminal: drawn while a command works, and nothing of it or of others left."""

from __future__ import annotations

import io
import logging
import os
import pty
import re
import sys
import time
import warnings
from contextlib import suppress

from hubmerge.cli import options
from hubmerge.cli.progress import log
from hubmerge.cli.progress.estimate import Estimate
from hubmerge.cli.progress.line import CLEAR, progress_line
from hubmerge.cli.progress.log import Log
from hubmerge.utils.events import Progress, Stage, emit
from hubmerge.utils.progress import be_quiet, is_quiet, track
from hubmerge.utils.silence import LIBRARIES


def test_a_terminal_sees_one_line_which_is_gone_at_the_end(monkeypatch):
    be_quiet()
    shown, end = pty.openpty()
    text, drawn = "", re.compile(r"loading: rows  \d+ s")
    deadline = time.monotonic() + 60
    os.set_blocking(shown, False)
    with os.fdopen(end, "w", buffering=1) as stream:
        monkeypatch.setattr(sys, "stderr", stream)
        with progress_line(("plan", "load")):
            emit(Stage("load"))
            with track(4, "rows") as bar:
                bar.update(2)
                while not drawn.search(text) and time.monotonic() < deadline:
                    with suppress(BlockingIOError):
                        text += os.read(shown, 100_000).decode()
                    time.sleep(0.02)
        with suppress(BlockingIOError):
            while True:
                text += os.read(shown, 100_000).decode()
    os.close(shown)
    assert drawn.search(text)
    assert "\n" not in text
    assert text.endswith(CLEAR)


def test_what_is_no_terminal_sees_nothing_of_a_short_command(capsys):
    with progress_line(("plan",)):
        emit(Stage("plan"))
        time.sleep(0.3)
    assert capsys.readouterr().err == ""


def test_what_is_no_terminal_sees_a_line_at_each_stage_of_a_long_command():
    written = io.StringIO()
    log_of = Log(Estimate(time.monotonic() - 75, ("plan", "load")), written, long=0.0)
    for name in ("plan", "load"):
        log_of.take(Stage(name))
        log_of.take(Progress("rows\x1b[2J\nmore", 0, 4, "it"))
    log_of.end()
    lines = [line for line in written.getvalue().splitlines() if not line.startswith("starting")]
    assert lines[0].startswith("reading configurations  1 min 15 s")
    assert lines[1].startswith("loading  1 min 15 s, about ")
    assert len(lines) == 2


def test_a_long_stage_is_spoken_of_again():
    written = io.StringIO()
    log_of = Log(Estimate(time.monotonic(), ()), written, long=0.05, again=0.05)
    log_of.take(Progress("rows\x1b[2J\nmore", 1, 4, "it"))
    until = time.monotonic() + 10
    while written.getvalue().count("\n") < 3 and time.monotonic() < until:
        time.sleep(0.02)
    log_of.end()
    first, *others = written.getvalue().splitlines()
    assert first.startswith("rows")
    assert len(others) >= 2
    assert "\x1b" not in written.getvalue()


def test_nothing_is_said_where_nothing_is_to_be_said(capsys, monkeypatch):
    monkeypatch.setattr(log.Log.__init__, "__kwdefaults__", {"long": 0.0, "again": 0.01})
    with progress_line(("plan",), shown=False):
        emit(Stage("plan"))
        time.sleep(0.05)
    assert capsys.readouterr().err == ""
    with progress_line(("plan",)):
        emit(Stage("plan"))
    assert "reading configurations" in capsys.readouterr().err


def test_a_command_s_own_bars_and_the_libraries_lines_are_silenced(monkeypatch):
    before = warnings.filters[:]
    levels = {name: logging.getLogger(name).level for name in LIBRARIES}
    try:
        options.settle(quiet=False, json=False)
        assert is_quiet()
        for name in ("transformers", "huggingface_hub", "datasets", "accelerate"):
            assert not logging.getLogger(name).isEnabledFor(logging.WARNING)
    finally:
        warnings.filters[:] = before
        for name, level in levels.items():
            logging.getLogger(name).setLevel(level)


def test_how_long_it_took_is_said_once(capsys):
    options.settle(quiet=False, json=False)
    with options.working():
        pass
    assert options.took() == "0.0 s"
    assert options.took() is None
