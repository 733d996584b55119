"""The command line: a thin skin over the API. One file per command, registered here."""

from __future__ import annotations

import json
import os
import signal
import sys
from typing import Annotated, Any

import typer

from hubmerge import __version__
from hubmerge.cli import demo, hub, match, merge, plan, push, report, specs
from hubmerge.errors import INTERRUPTED, HubmergeError

app = typer.Typer(
    name="hubmerge",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
for command in (merge, match, plan, report, push, demo):
    app.command(command.NAME)(command.command)
app.add_typer(specs.app, name="specs")
app.add_typer(hub.app, name="hub")


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

    Finds the symmetry that lines two models up, merges them, measures the loss barrier and writes
    a report card. Nothing is uploaded unless you say --push, or call push.
    """


def main() -> None:
    """Runs a command; every failure of ours becomes its message and its exit code."""
    signal.signal(signal.SIGTERM, _interrupt)
    try:
        app()
    except HubmergeError as error:
        _tell(error)
        sys.exit(error.exit_code)
    except (KeyboardInterrupt, SystemExit) as end:
        if not _was_interrupted(end):
            raise
        _say("Stopped. Nothing half-made is left; the same command goes on from what is cached.")
        sys.exit(INTERRUPTED)


def _interrupt(number: int, frame: Any) -> None:
    raise KeyboardInterrupt


def _was_interrupted(end: BaseException | None) -> bool:
    """Whether it goes back to Ctrl-C, of which typer makes an exit of its own, without a word."""
    while end is not None and not isinstance(end, KeyboardInterrupt):
        end = end.__cause__ or end.__context__
    return end is not None


def _tell(error: HubmergeError) -> None:
    kind = type(error).__name__
    if "--json" in sys.argv:
        fields = {"what": error.what, "found": error.found, "from": error.source, "try": error.hint}
        said = {"type": kind, "exit_code": error.exit_code, **fields}
        print(json.dumps({"error": said}, indent=2, ensure_ascii=False))
    _say(f"{kind}: {error}")


def _say(text: str) -> None:
    if os.environ.get("RANK", "0") == "0":
        print(text, file=sys.stderr, flush=True)
