"""hubmerge app: merging in a browser."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import Annotated

import typer

from hubmerge.errors import NotFoundError

NAME = "app"
REQUIRED = ("gradio", "prometheus_client", "pydantic_settings")
"""Packages that the extra `app` installs."""


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
    """Serve the page on this machine: choose models, merge, read the result, publish."""
    missing = [name for name in REQUIRED if find_spec(name) is None]
    if missing:
        raise NotFoundError(
            f"the app needs {', '.join(missing)}, not installed here",
            hint="pip install 'hubmerge[app]'",
        )

    from spaces_app.start import run

    run(port, embedded=embedded, root=out)
