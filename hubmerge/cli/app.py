"""hubmerge app: merging in a browser, on this machine or as a Space."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import Annotated

import typer

from hubmerge.cli import options as o
from hubmerge.errors import NotFoundError

HELP = "Serve the page on this machine: choose models, merge, read the result, publish."
app = typer.Typer(help=HELP)
REQUIRED = ("gradio", "prometheus_client", "pydantic_settings")
"""Packages that the extra `app` installs."""


@app.callback(invoke_without_command=True)
def command(
    context: typer.Context,
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
    if context.invoked_subcommand is not None:
        return
    _require()
    from spaces_app.start import run

    run(port, embedded=embedded, root=out)


@app.command()
def deploy(
    repo: Annotated[str, typer.Argument(metavar="OWNER/NAME", help="The Space.")],
    public: Annotated[
        bool, typer.Option("--public/--private", help="Who sees a new Space.")
    ] = False,
    hardware: Annotated[
        str | None, typer.Option("--hardware", help="Such as cpu-upgrade; default: the free one.")
    ] = None,
    variable: Annotated[
        list[str] | None,
        typer.Option(
            "--variable", metavar="NAME=VALUE", help="A limit, see docs/space.md. May be repeated."
        ),
    ] = None,
) -> None:
    """Put the page up as a Space of yours, with this very version of hubmerge."""
    _require()
    from spaces_app.deploy import deploy as put_up
    from spaces_app.deploy import variables

    o.say(put_up(repo, private=not public, hardware=hardware, given=variables(variable or ())))


def _require() -> None:
    missing = [name for name in REQUIRED if find_spec(name) is None]
    if missing:
        raise NotFoundError(
            f"the app needs {', '.join(missing)}, not installed here",
            hint="pip install 'hubmerge[app]'",
        )
