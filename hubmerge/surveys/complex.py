"""The complex of many models: which of them span low-loss simplexes, and the ways between all."""

from __future__ import annotations

from pathlib import Path

from hubmerge.errors import RecipeError
from hubmerge.errors.wording import action
from hubmerge.evaluation.bootstrap import LEAST_ROWS, is_enough
from hubmerge.evaluation.curve import CURVE_ROWS
from hubmerge.evaluation.results import Barrier
from hubmerge.hub.target import check_folder
from hubmerge.landscape.geometry.complex import Complex, Face, find_complex
from hubmerge.landscape.geometry.simplex import centroid, drawn, faces
from hubmerge.landscape.inputs import SurveyInputs
from hubmerge.landscape.mixtures import rises_of
from hubmerge.landscape.options import BUDGET, LIMIT
from hubmerge.recipe import Recipe
from hubmerge.reporting.schema.survey_results import ComplexFound, ComplexPath, Simplex
from hubmerge.surveys.prepare import survey_fields, survey_inputs
from hubmerge.surveys.write import write_survey
from hubmerge.utils.checked_calls import checked
from hubmerge.utils.parent_names import parent_letters
from hubmerge.utils.progress import track
from hubmerge.utils.workers import Workers

INSIDE = 2
"""Points drawn from the inside of a face that is tried, beside its middle."""


@checked
def survey_complex(
    recipe: Recipe,
    *,
    limit: float = LIMIT,
    budget: int = BUDGET,
    out: Path | None = None,
    workers: Workers | None = None,
) -> ComplexFound:
    """Aligns all models with one another and finds every low-loss simplex among them.

    Faces and routes are found on validation rows; the simplexes that are maximal are measured on
    the reported ones. limit: nats of excess. out: a new folder for the figures and the picture.
    Raises: RecipeError without data or for less than three models; TargetError; whatever stops a
    merge before it is made.
    """
    if len(recipe.models) < 3:
        raise RecipeError(
            "a complex is of three models or more",
            found=f"{len(recipe.models)} models",
            hint=action("survey path"),
        )
    if out is not None:
        check_folder(out)
    inputs = survey_inputs(recipe, workers)
    count = len(inputs.states)
    with track(budget, "trying faces", "face") as bar:

        def rise(face: Face) -> float:
            bar.update(1)
            return _highest(inputs, face, reported=False).value

        found = find_complex(count, rise, limit=limit, budget=budget)
    splits = inputs.splits
    result = ComplexFound(
        **survey_fields(inputs),
        limit=limit,
        budget=budget,
        exhausted=found.exhausted,
        tried=len(found.rises),
        simplexes=[
            Simplex(models=list(face), barrier=_highest(inputs, face, reported=True))
            for face in found.maximal
            if len(face) > 1
        ],
        alone=[face[0] for face in found.maximal if len(face) == 1],
        routes=_routes(inputs, found),
        n=min(splits.evaluation.rows, CURVE_ROWS),
        sentence=_sentence(found, min(splits.evaluation.rows, splits.validation.rows)),
    )
    inputs.workers.on_main(lambda: write_survey(result, inputs, out))
    return result


def _highest(inputs: SurveyInputs, face: Face, *, reported: bool) -> Barrier:
    """The largest excess at the middle of the face, of its edges, and at points drawn inside."""
    count = len(inputs.states)
    inner = [centroid(tuple(face[k] for k in part), count) for part in faces(len(face))]
    for shares in drawn(len(face), INSIDE, inputs.recipe.seed):
        whole = [0.0] * count
        for vertex, share in zip(face, shares, strict=True):
            whole[vertex] = share
        inner.append(whole)
    return rises_of(inputs, inner, reported=reported)


def _routes(inputs: SurveyInputs, found: Complex) -> list[ComplexPath]:
    """For every pair the way whose highest edge is lowest; heights as on the validation rows."""
    ways = []
    for first in range(found.count):
        for last in range(first + 1, found.count):
            over, height = found.route(first, last)
            ways.append(ComplexPath(models=list(over), height=height, low=height <= found.limit))
    return ways


def _sentence(found: Complex, rows: int) -> str:
    """rows: of the smaller set, of those it was found on and those it is reported on."""
    if not is_enough(rows):
        return (
            f"Cannot tell which of the {found.count} models are connected by low loss: {rows} rows "
            f"are too few, at least {LEAST_ROWS} are needed."
        )
    names = parent_letters(found.count)
    said = ["".join(names[k] for k in face) for face in found.maximal if len(face) > 1]
    if not said:
        return f"None of the {found.count} models are connected by a low-loss path."
    more = "; larger ones were not tried: the budget was used up" if found.exhausted else ""
    return f"{found.count} models, low-loss simplexes: {', '.join(said)}{more}."
