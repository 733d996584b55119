"""hubmerge verify: whether a published merge is what its report says."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from hubmerge.cli import options as o
from hubmerge.cli.command import Json, Quiet, TrustRemoteCode
from hubmerge.cli.wording import COMMAND_LINE

NAME = "verify"


def command(
    merge: Annotated[
        str,
        typer.Argument(metavar="MERGE", help="A merge's Hub id, id@revision or folder."),
    ],
    weights_only: Annotated[
        bool,
        typer.Option("--weights-only", help="Quick: without data, and nothing is measured."),
    ] = False,
    trust_remote_code: TrustRemoteCode = False,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Make a published merge again from what it records, measure it again, and compare."""
    o.settle(quiet=quiet, json=json)

    from hubmerge.verification import verify
    from hubmerge.verification.text import render_text

    with o.working():
        found = verify(merge, weights_only=weights_only, trust_remote_code=trust_remote_code)
    o.say(found.to_json() if json else render_text(found, COMMAND_LINE))
    o.note(f"took {o.took()}")
    if found.error is not None:
        if o.is_main_process():
            message = found.error.message.worded(COMMAND_LINE)
            print(f"{type(found.error).__name__}: {message}", file=sys.stderr, flush=True)
        raise typer.Exit(found.error.exit_code)
