"""hubmerge simplex: everything that lies between several models."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from hubmerge.cli import options as o
from hubmerge.cli.surveying import say_found, surveying

NAME = "simplex"


def _simplex(
    recipe: o.AnyRecipe,
    out: Path | None,
    json: bool,
    *,
    points: Annotated[
        int,
        typer.Option(
            "--points", help="Points drawn from the inside.", min=1, rich_help_panel=o.METHOD
        ),
    ] = 20,
) -> None:
    """Measure all that lies between models, lined up jointly, refined, or each to the first."""
    from hubmerge.surveys.simplex import find_simplex

    found = find_simplex(recipe, samples=points, out=out)
    say_found(found, json=json)


command = surveying(_simplex)
