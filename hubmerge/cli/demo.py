"""hubmerge demo: the main job on small models trained here, against the embedded Hub."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from hubmerge.cli.wording import COMMAND_LINE

NAME = "demo"


def command(
    out: Annotated[
        Path, typer.Option("-o", "--out", help="Folder for data, parents, merges and the Hub.")
    ] = Path("demo-output"),
    serve: Annotated[
        bool, typer.Option("--serve", help="Keep the Hub running at the end, to look at it.")
    ] = False,
) -> None:
    """Train two small models per family, publish them to a Hub on this machine, and merge them."""
    from hubmerge.demo.run import run_demo

    raise typer.Exit(run_demo(out, serve=serve, wording=COMMAND_LINE))
