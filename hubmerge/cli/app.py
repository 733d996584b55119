"""hubmerge app: merging in a browser."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from hubmerge.errors import NotFoundError

NAME = "app"


def command(
    port: Annotated[int, typer.Option("--port", help="0 takes a free one.")] = 7860,
    embedded: Annotated[
        bool,
        typer.Option("--embedded", help="Against a Hub on this machine, with models to try."),
    ] = False,
    out: Annotated[
        Path | None, typer.Option("-o", "--out", help="Where jobs and caches lie.")
    ] = None,
) -> None:
    """Merge in a browser, on this machine: pick, watch, look, publish."""
    try:
        import gradio  # noqa: F401
    except ImportError:
        raise NotFoundError(
            "the app needs gradio, which is not installed", hint="pip install 'hubmerge[app]'"
        ) from None

    from spaces_app.start import run

    run(port, embedded=embedded, root=out)
