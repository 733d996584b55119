"""The plane through three models: A, B as it came, and B lined up with A."""

from __future__ import annotations

from pathlib import Path

from hubmerge.errors import RecipeError
from hubmerge.hub.target import check_folder
from hubmerge.landscape.plane import Plane, plane_through
from hubmerge.measure.curve import CURVE_ROWS
from hubmerge.measure.evaluate import outputs
from hubmerge.progress import track
from hubmerge.recipe import RECIPE_FILE, Recipe
from hubmerge.reporting.planes import draw_plane
from hubmerge.save import arriving_whole
from hubmerge.survey.field import Field, about, take_field
from hubmerge.survey.results import PlaneFound, PlanePoint
from hubmerge.workers import Workers

REPORT, PICTURE = "plane.json", "plane.png"
GRID = 15
"""Points along each side, if nobody says how many."""
CORNERS = ("A", "B as it came", "B lined up")


def find_plane(
    recipe: Recipe, *, grid: int = GRID, out: Path | None = None, workers: Workers | None = None
) -> PlaneFound:
    """Measures the loss on a grid over the plane through A, B as it came and B lined up.

    Every point is repaired as a merge would be. out: a new folder for the figures and the picture.
    Raises: RecipeError for more than two models, without data, or where the three lie on a line;
    TargetError; whatever stops a merge before it is made.
    """
    if len(recipe.models) != 2:
        raise RecipeError(
            "the plane is that of two models, one of them twice",
            found=f"{len(recipe.models)} models",
        )
    if out is not None:
        check_folder(out)
    field = take_field(recipe, workers or Workers())
    (first, lined_up), (_, as_it_came) = field.states, field.naive
    plane = plane_through(first, as_it_came, lined_up)
    rows = field.ground.evaluation.first(CURVE_ROWS)
    finished, points = field.finisher(), plane.grid(grid)
    measured = []
    with track(len(points), "the plane", "point") as bar:
        for x, y in points:
            said = outputs(finished(plane.state(x, y)), rows, field.workers)
            loss, right = float(said.losses().mean()), float(said.right.mean())
            measured.append(PlanePoint(x=x, y=y, loss=loss, accuracy=right))
            bar.update(1)
    corners = dict(zip(CORNERS, plane.corners, strict=True))
    found = PlaneFound(**about(field), corners=corners, points=measured, n=rows.rows)
    field.workers.on_main(lambda: _write(found, field, plane, out))
    return found


def _write(found: PlaneFound, field: Field, plane: Plane, out: Path | None) -> None:
    if out is None:
        return
    with arriving_whole(out) as folder:
        (folder / REPORT).write_text(found.model_dump_json(indent=2) + "\n", encoding="utf-8")
        (folder / PICTURE).write_bytes(draw_plane(found))
        (folder / RECIPE_FILE).write_text(field.recipe.to_yaml(), encoding="utf-8")
