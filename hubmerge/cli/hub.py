"""hubmerge hub: the embedded Hub."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(
    no_args_is_help=True, help="An embedded Hub on this machine, for trying things out."
)


@app.callback()
def hub() -> None:
    """An embedded Hub on this machine, for trying things out."""


@app.command()
def serve(
    root: Annotated[
        Path | None, typer.Option("--root", help="Where its data lies; default: in the cache.")
    ] = None,
    port: Annotated[int, typer.Option("--port", help="0 takes a free one.")] = 8484,
) -> None:
    """Serve until Ctrl-C, on this machine only."""
    from hubmerge.localhub import serve as run

    run(root, port)
