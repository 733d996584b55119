"""hubmerge plane: the loss all around two models."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from hubmerge.cli import options as o
from hubmerge.cli.surveying import say_found, surveying

NAME = "plane"


def _plane(
    recipe: o.AnyRecipe,
    out: Path | None,
    json: bool,
    *,
    grid: Annotated[
        int,
        typer.Option("--grid", help="Points along each side.", min=3, rich_help_panel=o.METHOD),
    ] = 15,
) -> None:
    """Map the loss on the plane through A, B as it came, and B lined up with A."""
    from hubmerge.surveys.plane import find_plane

    found = find_plane(recipe, grid=grid, out=out)
    say_found(found, json=json)


command = surveying(_plane)
