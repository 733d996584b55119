"""hubmerge simplex: several models, aligned in different ways, and the simplex between them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from hubmerge.hub.target import check_folder
from hubmerge.landscape.geometry.simplex import centroid, faces
from hubmerge.landscape.inputs import SurveyInputs
from hubmerge.landscape.joint_alignment import refined
from hubmerge.landscape.mixtures import rises_of
from hubmerge.landscape.options import POINTS
from hubmerge.landscape.simplex import compare_simplexes, measured_simplex
from hubmerge.recipe import Recipe
from hubmerge.reporting.schema.survey_results import SimplexFound
from hubmerge.surveys.prepare import survey_fields, survey_inputs
from hubmerge.surveys.write import write_survey
from hubmerge.utils.checked_calls import checked
from hubmerge.utils.workers import Workers

WAYS = ("cycle-consistent", "star")
"""How models are matched, to be compared."""
REFINED = "cycle-consistent, refined"


@checked
def find_simplex(
    recipe: Recipe,
    *,
    samples: int = POINTS,
    out: Path | None = None,
    workers: Workers | None = None,
) -> SimplexFound:
    """Aligns models jointly, jointly and refined, and each to the first; measures each simplex.

    What is refined, and which way is best, is chosen on validation rows; all are measured on the
    reported rows, the best first. With
    `recipe.multi_match` only that way is taken. out: a new folder for the figures and the alignment
    of the best. Called by all processes alike.
    Raises: RecipeError without data; TargetError; whatever stops a merge before it is made.
    """
    if out is not None:
        check_folder(out)
    workers = workers or Workers()
    ways = WAYS if recipe.multi_match == "auto" else (recipe.multi_match,)
    fields: list[tuple[str, SurveyInputs]] = []
    for way in ways:
        inputs = survey_inputs(recipe.model_copy(update={"multi_match": way}), workers)
        fields.append((way, inputs))
        if way == WAYS[0] and inputs.matches:
            fields.append((REFINED, refined(inputs)))
    fields.sort(key=lambda each: _judged(each[1]))
    measured = [measured_simplex(inputs, way, samples) for way, inputs in fields]
    _, inputs = fields[0]
    # What makes all of it again, not the best alone.
    asked = replace(
        inputs, recipe=inputs.recipe.model_copy(update={"multi_match": recipe.multi_match})
    )
    found = SimplexFound(
        **survey_fields(asked), **dict(compare_simplexes(measured, inputs.splits.reading.unit))
    )
    workers.on_main(lambda: write_survey(found, asked, out))
    return found


def _judged(inputs: SurveyInputs) -> float:
    """How high the simplex is on validation rows, at the middles of its faces."""
    count = len(inputs.states)
    return rises_of(inputs, [centroid(f, count) for f in faces(count)], reported=False).value
