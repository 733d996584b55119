"""hubmerge plane: the loss all around two models."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from hubmerge.cli import options as o
from hubmerge.cli.surveying import surveying

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
    from hubmerge.reporting.figures import figure
    from hubmerge.survey.plane import find_plane

    found = find_plane(recipe, grid=grid, out=out)
    if json:
        o.say(found.model_dump_json(indent=2))
        return
    losses = [point.loss for point in found.points]
    lines = [f"{len(losses)} points, loss {figure(min(losses))} to {figure(max(losses))} nats"]
    for name, (x, y) in found.corners.items():
        lines.append(f"{name:<13} at ({figure(x, 2)}, {figure(y, 2)})")
    o.say("\n".join(lines))


command = surveying(_plane)
