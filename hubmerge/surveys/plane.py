"""hubmerge plane: the loss on the plane through A, B as given, and B aligned with A."""

from __future__ import annotations

from pathlib import Path

from hubmerge.errors import RecipeError
from hubmerge.hub.target import check_folder
from hubmerge.landscape.options import GRID
from hubmerge.landscape.plane import measure_plane
from hubmerge.recipe import Recipe
from hubmerge.reporting.schema.survey_results import PlaneFound
from hubmerge.surveys.prepare import survey_fields, survey_inputs
from hubmerge.surveys.write import write_survey
from hubmerge.utils.checked_calls import checked
from hubmerge.utils.workers import Workers


@checked
def find_plane(
    recipe: Recipe, *, grid: int = GRID, out: Path | None = None, workers: Workers | None = None
) -> PlaneFound:
    """Measures the loss on a grid over the plane through A, B as given and B aligned.

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
    inputs = survey_inputs(recipe, workers)
    found = PlaneFound(**survey_fields(inputs), **dict(measure_plane(inputs, grid=grid)))
    inputs.workers.on_main(lambda: write_survey(found, inputs, out))
    return found
