"""Agreeing to a job, and leaving one: what is asked on a terminal, and what is said at the end."""

from __future__ import annotations

import io
import os
import signal
import sys
from collections.abc import Iterator

import pytest
import typer

from hubmerge.cli import STOPPED, main, on_jobs
from hubmerge.cli.options import Output
from hubmerge.errors import INTERRUPTED, RecipeError, UnconfirmedError
from hubmerge.jobs.options import Consent


@pytest.fixture
def _handlers() -> Iterator[None]:
    """The handlers of signals as they were."""
    before = {n: signal.getsignal(n) for n in (signal.SIGINT, signal.SIGTERM)}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.usefixtures("_handlers")
@pytest.mark.parametrize("said", ["The job goes on.", ""])
def test_an_interrupted_command_says_what_becomes_of_its_job(
    said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    app = typer.Typer(pretty_exceptions_enable=False)

    @app.command()
    def follow() -> None:
        try:
            os.kill(os.getpid(), signal.SIGINT)
            signal.pause()
        except KeyboardInterrupt:
            raise KeyboardInterrupt(*filter(None, [said])) from None

    with pytest.raises(SystemExit) as ended:
        main(lambda: app(args=[]))
    assert ended.value.code == INTERRUPTED
    assert (said or STOPPED) in capsys.readouterr().err


def test_without_a_terminal_nothing_is_started_unasked(capsys: pytest.CaptureFixture[str]) -> None:
    faces = on_jobs._faces(Consent(), quiet=False)
    with pytest.raises(UnconfirmedError, match="no terminal to ask on"):
        faces.agree("the plan")
    assert "the plan" in capsys.readouterr().err
    on_jobs._faces(Consent(yes=True), quiet=True).agree("the plan")
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("typed", ["y\n", "n\n", "\n"])
def test_on_a_terminal_it_is_asked(typed: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(on_jobs, "_is_terminal", lambda: True)
    monkeypatch.setattr(sys, "stdin", io.StringIO(typed))
    faces = on_jobs._faces(Consent(), quiet=True)
    if typed.startswith("y"):
        faces.agree("the plan")
    else:
        with pytest.raises(UnconfirmedError, match="was not started"):
            faces.agree("the plan")


def test_several_processes_start_no_jobs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORLD_SIZE", "2")
    with pytest.raises(RecipeError, match="starts one job"):
        on_jobs._asking(Output())
