"""hubmerge verify: whether a published merge is what its report says."""

from __future__ import annotations

import sys
from typing import Annotated, Literal

import typer

from hubmerge.cli import options as o
from hubmerge.cli.command import Folders, Json, On, Quiet, TrustRemoteCode, Yes, places
from hubmerge.cli.wording import COMMAND_LINE
from hubmerge.errors import RecipeError
from hubmerge.errors.printable import printable
from hubmerge.jobs.options import Consent, Machine

NAME = "verify"
LEVEL_HELP = (
    "How far to go: load (what stock code loads, its hashes, what report and card say of "
    "themselves), measure (also the published weights, measured again on the recorded rows), "
    "remake (also the whole merge, made again and measured again), all (remake)."
)


def command(
    merge: Annotated[
        str,
        typer.Argument(metavar="MERGE", help="A merge's Hub id, id@revision or folder."),
    ],
    level: Annotated[
        Literal["load", "measure", "remake", "all"], typer.Option("--level", help=LEVEL_HELP)
    ] = "all",
    weights_only: Annotated[
        bool,
        typer.Option("--weights-only", help="Quick: without data, and nothing is measured."),
    ] = False,
    folders: Folders = None,
    trust_remote_code: TrustRemoteCode = False,
    on: On = None,
    yes: Yes = False,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Check what stock code loads from a merge, measure it again, make it again, and compare."""
    o.settle(quiet=quiet, json=json)
    if on is not None:
        if folders:
            raise RecipeError("folders of this machine are given, where no job can read them")
        from hubmerge.cli.on_jobs import verify_in_job

        code = verify_in_job(
            merge,
            Machine(on=on),
            Consent(yes=yes),
            o.Output(json=json, quiet=quiet),
            level=level,
            weights_only=weights_only,
            trust_remote_code=trust_remote_code,
        )
        raise typer.Exit(code)

    from hubmerge.verification import verify
    from hubmerge.verification.text import render_text

    with o.working():
        found = verify(
            merge,
            level=level,
            weights_only=weights_only,
            trust_remote_code=trust_remote_code,
            folders=places(folders or ()),
            announce=lambda estimate: o.note(str(estimate)),
        )
    o.say(found.to_json() if json else render_text(found, COMMAND_LINE))
    o.note(f"took {o.took()}")
    if found.error is not None:
        if o.is_main_process():
            message = found.error.message.worded(COMMAND_LINE)
            text = printable(f"{type(found.error).__name__}: {message}")
            print(text, file=sys.stderr, flush=True)
        raise typer.Exit(found.error.exit_code)
