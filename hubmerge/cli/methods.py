"""hubmerge methods: every way to match, fuse and repair."""

from __future__ import annotations

from typing import Annotated

import typer

from hubmerge.cli import options as o
from hubmerge.cli.command import Json
from hubmerge.utils.suggestions import unknown

NAME = "methods"


def command(
    kind: Annotated[
        str | None,
        typer.Argument(
            metavar="[KIND]", help="match, multi-match, fuse, repair or curve; all if left out."
        ),
    ] = None,
    json: Json = False,
) -> None:
    """List every method with the rows it looks at, its options and its source."""
    from hubmerge.reporting.methods import KINDS, methods_json, methods_text

    names = [each.name for each in KINDS]
    if kind is not None and kind not in names:
        raise unknown("kind", kind, names)
    o.say(methods_json(kind) if json else methods_text(kind))
