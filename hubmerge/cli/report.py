"""hubmerge report: the report card of a merge, from its folder or the Hub."""

from __future__ import annotations

from typing import Annotated

import typer

from hubmerge.cli import options as o
from hubmerge.cli.command import Json
from hubmerge.cli.wording import COMMAND_LINE

NAME = "report"


def command(
    merge: Annotated[str, typer.Argument(metavar="MERGE", help="A merge's folder, or its Hub id.")],
    json: Json = False,
) -> None:
    """Show the report of an existing merge."""
    o.settle(quiet=True, json=json)

    from hubmerge.pipeline.publish import read_report
    from hubmerge.reporting.text import render_text

    report = read_report(merge)
    o.say(report.to_json().rstrip() if json else render_text(report, wording=COMMAND_LINE))
