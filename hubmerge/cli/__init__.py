"""The command line: a thin skin over the API. One file per command, registered here."""

from __future__ import annotations

import os
import signal
import sys
import traceback
from collections.abc import Callable
from contextlib import suppress
from functools import cache
from io import TextIOWrapper
from json import dumps
from typing import Annotated, Any

import typer

from hubmerge import __version__
from hubmerge.cli import app as app_command
from hubmerge.cli import complex as complex_command
from hubmerge.cli import (
    demo,
    diagnose,
    extract_lora,
    hub,
    job,
    match,
    merge,
    methods,
    path,
    plan,
    plane,
    push,
    report,
    simplex,
    specs,
    verify,
)
from hubmerge.cli.command import Command, epilog
from hubmerge.cli.wording import COMMAND_LINE
from hubmerge.errors import INTERRUPTED, HubmergeError
from hubmerge.errors.printable import printable
from hubmerge.utils.foreign import system_error

STOPPED = "Stopped. Nothing half-made is left; the same command goes on from what is cached."

app = typer.Typer(
    name="hubmerge",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
PANELS = {
    "Merge": (merge, plan, match, diagnose, extract_lora),
    "Publish and check": (report, push, verify),
    "Measure what lies between models": (path, plane, simplex, complex_command),
    "Learn what there is": (methods, demo),
}
"""Panel of the help -> its commands."""
for panel, modules in PANELS.items():
    for module in modules:
        app.command(
            module.NAME,
            cls=Command,
            rich_help_panel=panel,
            epilog=epilog(getattr(module.command, "examples", ())),
        )(module.command)
app.command(job.NAME, hidden=True)(job.command)
app.add_typer(app_command.app, name="app", rich_help_panel="Learn what there is")
app.add_typer(specs.app, name="specs", rich_help_panel="Learn what there is")
app.add_typer(hub.app, name="hub", rich_help_panel="Learn what there is")


def _version(wanted: bool) -> None:
    if wanted:
        print(f"hubmerge {__version__}")
        raise typer.Exit


@app.callback()
def hubmerge(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Merge independently trained Hugging Face models, measured.

    Finds the symmetry that aligns two models, merges them, measures the loss barrier and writes
    a report card. Nothing is uploaded unless you say --push, or call push.
    """


@cache
def program() -> Any:
    """The command line with all its parameters, read from their declarations once."""
    return typer.main.get_command(app)


def main(run: Callable[[], object] | None = None) -> None:
    """Runs a command; every failure of ours becomes its message and its exit code."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    sys.excepthook = _print_traceback
    interruption = Interruption()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, interruption)
    try:
        (run or program())()
    except BaseException as end:
        if interruption.happened and not (isinstance(end, SystemExit) and end.code == 0):
            _say(_what_becomes_of_it(end))
            sys.exit(INTERRUPTED)
        error = end if isinstance(end, HubmergeError) else system_error(end)
        if error is None:
            raise
        print_error(error, json="--json" in sys.argv)
        sys.exit(error.exit_code)


class Interruption:
    """A signal handler that stops the program, and remembers that it did.

    Compiled code that happens to be running may replace the KeyboardInterrupt by an error of its
    own, as torch does while it reads a tensor; so whatever ends the program after a signal counts
    as its interruption.
    """

    def __init__(self) -> None:
        self.happened = False

    def __call__(self, number: int, frame: Any) -> None:
        self.happened = True
        raise KeyboardInterrupt


def print_error(error: HubmergeError, *, json: bool) -> None:
    """Prints an error in the words of the command line; with `json`, as an object as well."""
    kind, message = type(error).__name__, error.message.worded(COMMAND_LINE)
    if json:
        fields = {
            "type": kind,
            "exit_code": error.exit_code,
            "field": message.field,
            "fields": list(error.fields),
            "what": message.what,
            "found": message.found,
            "from": message.source,
            "try": message.hint,
        }
        with suppress(OSError):  # what it is printed to may be what is full
            print(printable(dumps({"error": fields}, indent=2, ensure_ascii=False)), flush=True)
    _say(f"{kind}: {message}")


def _what_becomes_of_it(end: BaseException | None) -> str:
    """What the interrupted command says of itself, on its way through click's own exceptions."""
    while end is not None:
        if isinstance(end, KeyboardInterrupt) and str(end):
            return str(end)
        end = end.__cause__ or end.__context__
    return STOPPED


def _say(text: str) -> None:
    if os.environ.get("RANK", "0") == "0":
        print(printable(text), file=sys.stderr, flush=True)


def _print_traceback(*error: Any) -> None:
    print(printable("".join(traceback.format_exception(*error))), file=sys.stderr, end="")
