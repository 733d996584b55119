"""The lambda-curve: the losses along the path between models, and the barrier on it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from transformers import PreTrainedModel

from hubmerge.data.batches import Batches
from hubmerge.evaluation.curve_points import CurvePoints, PointOutputs
from hubmerge.evaluation.evaluate import outputs
from hubmerge.evaluation.results import Curve
from hubmerge.evaluation.score import temperature_of
from hubmerge.models.outputs import Outputs
from hubmerge.utils.events import Point as PointMeasured
from hubmerge.utils.events import emit, is_heard
from hubmerge.utils.progress import track
from hubmerge.utils.workers import Workers

Point = Callable[[float], PreTrainedModel]
"""lambda -> (1 - lambda) A + lambda B, repaired, to be evaluated before the next one is asked.
Of more than two parents, B is the weighted mean of all."""

Ends = Sequence[Outputs]
"""Parent A, parent B, ..."""

GRID = tuple(step / 10 for step in range(11))
QUARTERS = (0.0, 0.25, 0.5, 0.75, 1.0)
PATH_POINTS = 8
"""Points that may be added to the grid around its highest ones, by default."""
SHORT_POINTS = 3
"""The same to the quarters of the path that a merge lies on, which then has at most six."""
CURVE_ROWS = 1000
"""Evaluation rows a curve is measured on, at most: the first ones of those reported."""
CURVE_VALIDATION_ROWS = 500
"""Validation rows the temperature of every point is fitted on, at most."""


@dataclass(frozen=True)
class EvalSet:
    """Labelled rows, and what the untouched parents say of them."""

    rows: Batches
    ends: Ends

    def first(self, rows: int) -> EvalSet:
        """The first `rows` of them."""
        return EvalSet(self.rows.first(rows), [end.first(rows) for end in self.ends])


def measure_curves(
    point: Point,
    eval_sets: Sequence[EvalSet],
    validation: EvalSet | None,
    workers: Workers,
    what: str = "path",
    weights: Sequence[float] | None = None,
    budget: int = PATH_POINTS,
    grid: Sequence[float] = GRID,
) -> list[Curve]:
    """Evaluate one path on a grid, then around its highest points, and take the barriers.

    eval_sets: every point is shown the rows of each of them, a curve for each comes back. Where to
        look more closely is decided by the first. Of two parents, the ends are the points 0 and 1.
    validation: the rows on which every point is given its own temperature; None gives none.
    weights: of more than two parents, what each weighs at the point 1, which is then visited like
        any other; the excess there is over the same mixture of the parents' own losses.
    budget: points that may be added to the grid; fewer, if all maxima are settled. grid: where to
        look first, from 0 to 1.
    """
    eval_sets = [eval_set.first(CURVE_ROWS) for eval_set in eval_sets]
    held = validation.first(CURVE_VALIDATION_ROWS) if validation is not None else None
    if held is not None and not held.rows.rows:
        held = None

    def visit(lam: float) -> list[PointOutputs]:
        model = point(lam)
        fitted = temperature_of(outputs(model, held.rows, workers)) if held else None
        places = [
            PointOutputs(outputs(model, eval_set.rows, workers), fitted) for eval_set in eval_sets
        ]
        bar.update(1)
        emit_points(lam, places)
        return places

    def emit_points(lam: float, places: Sequence[PointOutputs]) -> None:
        if is_heard():
            here = places[0].here
            emit(PointMeasured(what, lam, float(here.losses().mean()), here.metric.value()))

    fitted = (
        [temperature_of(end) for end in held.ends] if held else [None for _ in eval_sets[0].ends]
    )
    parents = [
        [
            PointOutputs(end, temperature)
            for end, temperature in zip(eval_set.ends, fitted, strict=True)
        ]
        for eval_set in eval_sets
    ]
    own = [0.0, 1.0] if weights is None else [0.0]
    path = {lam: [each[k] for each in parents] for k, lam in enumerate(own)}
    for lam, places in path.items():
        emit_points(lam, places)

    def walks() -> list[CurvePoints]:
        return [
            CurvePoints({lam: places[k] for lam, places in path.items()}, parents[k], weights)
            for k in range(len(eval_sets))
        ]

    inside = [lam for lam in grid if lam not in path]
    with track(len(inside) + budget, f"{what} path", "point") as bar:
        path |= {lam: visit(lam) for lam in inside}
        left = budget
        while left and (near := walks()[0].wanted()[:left]):
            path |= {lam: visit(lam) for lam in near}
            left -= len(near)
        bar.update(left)
    return [walk.curve() for walk in walks()]


def choose_lambda(
    point: Point,
    validation: Batches,
    workers: Workers,
    lams: Sequence[float] = GRID[1:-1],
) -> tuple[float, dict[float, float]]:
    """The lambda of the least validation loss, and the loss of every one of `lams`.

    Of equals, the one nearest to the middle. Raises: ValueError, if there are no validation rows.
    """
    if not validation.rows:
        raise ValueError("lambda cannot be chosen without validation rows")
    losses = {}
    for lam in lams:
        found = outputs(point(lam), validation, workers, f"choosing λ={lam:g}")
        losses[lam] = float(found.losses().mean())
    return min(losses, key=lambda lam: (losses[lam], abs(lam - 0.5))), losses
