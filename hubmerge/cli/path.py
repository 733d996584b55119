"""hubmerge path: what lies on the way from one model to another."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from hubmerge.cli import options as o
from hubmerge.cli.surveying import surveying

if TYPE_CHECKING:
    from hubmerge.survey.results import PathFound

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
    path_points: o.PathPoints = 8,
) -> None:
    """Find a path of low loss from A to B: line them up, bend a curve, measure all of it."""
    from hubmerge.landscape.teach import STEPS
    from hubmerge.survey.path import find_path

    recipe = recipe.model_copy(update={"path_points": path_points})
    found = find_path(
        recipe, curve=curve, bends=bends, steps=STEPS if steps is None else steps, out=out
    )
    o.say(found.model_dump_json(indent=2) if json else _text(found))


def _text(found: PathFound) -> str:
    from hubmerge.reporting.figures import figure
    from hubmerge.survey.path import routes

    lines = [found.sentence, ""]
    lines += ["path                     barrier  calibrated  lowest accuracy"]
    for route in routes(found):
        barrier = route.curve.calibrated_barrier
        lowest = min(point.accuracy for point in route.curve.points)
        lines.append(
            f"{route.name:<23}  {figure(route.curve.barrier.value):>7}"
            f"  {figure(barrier.value if barrier else None):>10}  {figure(lowest):>15}"
        )
    if found.found:
        lines += ["", f"the {found.curve} is {figure(found.length, 2)} times as long as the line"]
    return "\n".join(lines)


command = surveying(_path)
