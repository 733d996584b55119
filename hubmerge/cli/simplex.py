"""hubmerge simplex: everything that lies between several models."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from hubmerge.cli import options as o
from hubmerge.cli.surveying import surveying

if TYPE_CHECKING:
    from hubmerge.survey.results import SimplexFound

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
    from hubmerge.survey.simplex import find_simplex

    found = find_simplex(recipe, samples=points, out=out)
    o.say(found.model_dump_json(indent=2) if json else _text(found))


def _text(found: SimplexFound) -> str:
    from hubmerge.reporting.figures import figure

    lines = [found.sentence, ""]
    lines += ["brought together by  barrier  calibrated  ensemble of vertices  of points inside"]
    for each in found.simplexes:
        calibrated = each.calibrated_barrier.value if each.calibrated_barrier else None
        lines.append(
            f"{each.together:<19}  {figure(each.barrier.value):>7}  {figure(calibrated):>10}"
            f"  {figure(each.vertices_ensemble):>20}  {figure(each.drawn_ensemble):>16}"
        )
    return "\n".join(lines)


command = surveying(_simplex)
