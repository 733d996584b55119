"""hubmerge path: what lies on the way from one model to another."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from hubmerge.cli import looking
from hubmerge.cli import options as o
from hubmerge.cli.surveying import say_found, surveying

NAME = "path"


def _path(
    recipe: o.AnyRecipe,
    out: Path | None,
    json: bool,
    *,
    curve: Annotated[
        str,
        typer.Option("--curve", help="line, bezier, polygon or band.", rich_help_panel=o.METHOD),
    ] = "bezier",
    bends: Annotated[
        int | None,
        typer.Option(
            "--bends",
            help="Points between the ends that are trained.",
            min=0,
            rich_help_panel=o.METHOD,
        ),
    ] = None,
    steps: Annotated[
        int | None,
        typer.Option("--steps", help="Steps of training.", min=0, rich_help_panel=o.METHOD),
    ] = None,
    path_points: looking.PathPoints = None,
) -> None:
    """Find a path of low loss from A to B: line them up, bend a curve, measure all of it."""
    from hubmerge.landscape.path_trainer import STEPS
    from hubmerge.surveys.path import find_path

    if path_points is not None:
        recipe = recipe.model_copy(update={"path_points": path_points})
    found = find_path(
        recipe, curve=curve, bends=bends, steps=STEPS if steps is None else steps, out=out
    )
    say_found(found, json=json)


command = surveying(_path)
