"""The plane through three models: A, B as given, and B aligned with A."""

from __future__ import annotations

from math import isfinite

from hubmerge.evaluation.curve import CURVE_ROWS
from hubmerge.evaluation.evaluate import outputs
from hubmerge.landscape.geometry.plane import plane_through
from hubmerge.landscape.inputs import SurveyInputs
from hubmerge.landscape.options import GRID
from hubmerge.reporting.numbers import counted, figure
from hubmerge.reporting.schema.survey_results import PlanePoint, PlaneSeen
from hubmerge.utils.parent_names import listed
from hubmerge.utils.progress import track

CORNERS = ("A", "B as given", "B aligned")


def measure_plane(inputs: SurveyInputs, *, grid: int = GRID) -> PlaneSeen:
    """The plane of two models that are aligned. Raises: RecipeError, if it is none."""
    (first, aligned), (_, as_it_came) = inputs.states, inputs.naive
    plane = plane_through(first, as_it_came, aligned)
    corners = dict(zip(CORNERS, plane.corners, strict=True))
    halfway = [(x / 2, y / 2) for x, y in plane.corners[1:]]
    rows = inputs.splits.evaluation.first(CURVE_ROWS)
    model_of, points = inputs.model_maker(), [*plane.grid(grid), *halfway]
    measured = []
    with track(len(points), "the plane", "point") as bar:
        for x, y in points:
            said = outputs(model_of(plane.state(x, y)), rows, inputs.workers)
            loss = float(said.losses().mean())
            right = said.metric.value()
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
        sentence=_sentence(inputs, middles, rows.rows),
        error_rate=inputs.error_rate,
    )


def _sentence(inputs: SurveyInputs, middles: dict[str, PlanePoint], n: int) -> str:
    own = listed([figure(float(end.first(n).losses().mean())) for end in inputs.ends])
    came, aligned = (figure(middles[name].loss) for name in CORNERS[1:])
    return (
        f"At the midpoint of A and B the loss is {came} nats with B as given, and {aligned} with B "
        f"aligned; the models' own are {own}, on "
        f"{counted(n, f'test {inputs.splits.reading.unit}')}."
    )
