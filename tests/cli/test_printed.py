"""Whatever a publisher calls things, nothing of it acts on the terminal it is printed on."""

from __future__ import annotations

import json
import logging
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest

from hubmerge.cli import _print_traceback, print_error
from hubmerge.cli.options import say
from hubmerge.errors import MismatchError
from hubmerge.utils.progress import be_quiet, track
from hubmerge.utils.silence import silence_libraries

EVIL = "\x1b[2J\x1b[1;1H\x9b2J\u202eHolds: everything came out identical.\a\b\x7f\ud800"


def harmless(text: str) -> bool:
    return all(mark.isprintable() or mark in "\n\t" for mark in text)


def test_results(capsys: pytest.CaptureFixture[str]) -> None:
    say(f"torch {EVIL}\nsecond line")
    out = capsys.readouterr().out
    assert harmless(out)
    assert out.startswith(r"torch \u001b[2J")
    say(json.dumps({EVIL: EVIL}, ensure_ascii=False))
    out = capsys.readouterr().out
    assert harmless(out)
    assert json.loads(out) == {EVIL: EVIL}


def test_errors(capsys: pytest.CaptureFixture[str]) -> None:
    error = MismatchError(f"a {EVIL}", found=EVIL, source=EVIL, hint=EVIL, field="dataset")
    print_error(error, json=True)
    out, err = capsys.readouterr()
    assert harmless(out)
    assert harmless(err)
    assert json.loads(out)["error"]["found"] == EVIL


def test_an_error_that_cannot_be_printed_as_an_object_is_still_said(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with Path("/dev/full").open("w") as full:
        monkeypatch.setattr(sys, "stdout", full)
        print_error(MismatchError("two models"), json=True)
        assert capsys.readouterr().err == "MismatchError: two models\n"
        with suppress(OSError):
            full.close()


def test_unexpected_failures(capsys: pytest.CaptureFixture[str]) -> None:
    try:
        raise ValueError(EVIL)
    except ValueError:
        _print_traceback(*sys.exc_info())
    err = capsys.readouterr().err
    assert harmless(err)
    assert "Traceback" in err


def test_progress(capsys: pytest.CaptureFixture[str]) -> None:
    be_quiet(False)
    try:
        with track(2, f"loading {EVIL}") as bar:
            bar.note(EVIL)
            bar.update(1)
    finally:
        be_quiet()
    err = capsys.readouterr().err
    assert "\x1b[2J" not in err
    assert "\u202e" not in err
    assert r"\u001b[2J" in err


def test_libraries(capsys: pytest.CaptureFixture[str]) -> None:
    logger = logging.getLogger("transformers")
    handler = logging.StreamHandler(sys.stderr)
    logger.addHandler(handler)
    before = logger.level
    try:
        silence_libraries()
        logger.error("%s is unknown", EVIL.removesuffix("\ud800"))
    finally:
        logger.removeHandler(handler)
        logger.setLevel(before)
    assert harmless(capsys.readouterr().err)


def test_words_of_the_caller_that_are_no_text() -> None:
    """An argument that is no UTF-8, on a terminal that takes ASCII alone."""
    done = subprocess.run(
        [
            sys.executable,
            "-c",
            "import sys; from hubmerge.cli import main; main()",
            "report",
            b"\xff",
        ],
        capture_output=True,
        env={"PATH": "/usr/bin", "PYTHONIOENCODING": "ascii", "HF_HUB_OFFLINE": "1"},
        timeout=300,
        check=False,
    )
    assert done.returncode == 3, done.stderr
    assert b"Traceback" not in done.stderr
