"""The plane through three models: A, B as it came, and B lined up with A."""

from __future__ import annotations

from math import isfinite
from pathlib import Path

from hubmerge.errors import RecipeError
from hubmerge.evaluation.curve import CURVE_ROWS
from hubmerge.evaluation.evaluate import outputs
from hubmerge.hub.target import check_folder
from hubmerge.landscape.geometry.plane import plane_through
from hubmerge.recipe import Recipe
from hubmerge.reporting.numbers import count, figure
from hubmerge.reporting.schema.survey_results import PlaneFound, PlanePoint, PlaneSeen
from hubmerge.surveys.inputs import Field, about, take_field
from hubmerge.surveys.options import GRID
from hubmerge.surveys.write import write_survey
from hubmerge.utils.parent_names import listed
from hubmerge.utils.progress import track
from hubmerge.utils.workers import Workers

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
    found = PlaneFound(**about(field), **dict(plane_in(field, grid=grid)))
    field.workers.on_main(lambda: write_survey(found, field, out))
    return found


def plane_in(field: Field, *, grid: int = GRID) -> PlaneSeen:
    """The plane of two models that are lined up. Raises: RecipeError, if it is none."""
    (first, lined_up), (_, as_it_came) = field.states, field.naive
    plane = plane_through(first, as_it_came, lined_up)
    corners = dict(zip(CORNERS, plane.corners, strict=True))
    halfway = [(x / 2, y / 2) for x, y in plane.corners[1:]]
    rows = field.splits.evaluation.first(CURVE_ROWS)
    finished, points = field.finisher(), [*plane.grid(grid), *halfway]
    measured = []
    with track(len(points), "the plane", "point") as bar:
        for x, y in points:
            said = outputs(finished(plane.state(x, y)), rows, field.workers)
            loss = float(said.losses().mean())
            right = float(said.right.mean())
            measured.append(
                PlanePoint(x=x, y=y, loss=loss if isfinite(loss) else None, accuracy=right)
            )
            bar.update(1)
    middles = dict(zip(CORNERS[1:], measured[-2:], strict=True))
    return PlaneSeen(
        corners=corners,
        points=measured[:-2],
        middles=middles,
        n=rows.rows,
        sentence=_sentence(field, middles, rows.rows),
    )


def _sentence(field: Field, middles: dict[str, PlanePoint], n: int) -> str:
    own = listed([figure(float(end.first(n).losses().mean())) for end in field.ends])
    came, lined_up = (figure(middles[name].loss) for name in CORNERS[1:])
    return (
        f"Halfway from A to B the loss is {came} nats with B as it came, and {lined_up} with B "
        f"lined up; the models' own are {own}, on {count(n)} test {field.splits.reading.unit}."
    )
