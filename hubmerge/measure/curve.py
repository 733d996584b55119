"""The lambda-curve: the losses along the path between models, and the barrier on it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from transformers import PreTrainedModel

from hubmerge.events import Point as PointMeasured
from hubmerge.events import emit, is_heard
from hubmerge.measure.barrier import around, barrier, excess, highest
from hubmerge.measure.batches import Batches
from hubmerge.measure.evaluate import outputs
from hubmerge.measure.outputs import Outputs
from hubmerge.measure.results import Curve, CurvePoint
from hubmerge.measure.score import temperature_of
from hubmerge.progress import track
from hubmerge.workers import Workers

Point = Callable[[float], PreTrainedModel]
"""lambda -> (1 - lambda) A + lambda B, repaired, to be evaluated before the next one is asked.
Of more than two parents, B is the weighted mean of all."""

Ends = Sequence[Outputs]
"""Parent A, parent B, ..."""

GRID = tuple(step / 10 for step in range(11))
REFINEMENTS = 2
"""Times the midpoints beside the largest excess are added to the grid."""
CURVE_ROWS = 1000
"""Evaluation rows a curve is measured on, at most: the first ones of those reported."""
CURVE_VALIDATION_ROWS = 500
"""Validation rows the temperature of every point is fitted on, at most."""


@dataclass(frozen=True)
class _Place:
    """One visited point of the path."""

    here: Outputs
    temperature: float | None


def measure_curve(
    point: Point,
    ends: Ends,
    validation_ends: Ends | None,
    evaluation: Batches,
    validation: Batches | None,
    workers: Workers,
    what: str = "path",
    weights: Sequence[float] | None = None,
) -> Curve:
    """Evaluate the path on 11 points, then around its highest one, and take the barrier.

    ends: the untouched parents' outputs on the `evaluation` rows: of two, the points 0 and 1.
    validation_ends, validation: the same for the validation rows, on which every point is given
        its own temperature. Without them the curve is raw only.
    weights: of more than two parents, what each weighs at the point 1, which is then visited like
        any other; the excess there is over the same mixture of the parents' own losses.
    """
    rows = evaluation.first(CURVE_ROWS)
    held = validation.first(CURVE_VALIDATION_ROWS) if validation is not None else None
    calibrating = validation_ends is not None and held is not None and held.rows > 0

    def visit(lam: float) -> _Place:
        model = point(lam)
        held_out = outputs(model, held, workers) if calibrating and held is not None else None
        place = _Place(outputs(model, rows, workers), temperature_of(held_out))
        bar.update(1)
        tell(lam, place)
        return place

    def tell(lam: float, place: _Place) -> None:
        if is_heard():
            loss, right = float(place.here.losses().mean()), float(place.here.right.mean())
            emit(PointMeasured(what, lam, loss, right))

    held_out_ends: Sequence[Outputs | None] = [None for _ in ends]
    if validation_ends is not None and calibrating:
        held_out_ends = [end.first(CURVE_VALIDATION_ROWS) for end in validation_ends]
    parents = [
        _Place(end.first(CURVE_ROWS), temperature_of(held_out))
        for end, held_out in zip(ends, held_out_ends, strict=True)
    ]
    if weights is None:
        path, inside = dict(zip((0.0, 1.0), parents, strict=True)), GRID[1:-1]
    else:
        path, inside = {0.0: parents[0]}, GRID[1:]
    for lam, place in path.items():
        tell(lam, place)
    mixed = None if weights is None else _mixed(_losses(parents), weights)
    with track(len(inside) + 2 * REFINEMENTS, f"{what} path", "point") as bar:
        path |= {lam: visit(lam) for lam in inside}
        for _ in range(REFINEMENTS):
            lams = sorted(path)
            top = highest(_losses(path[lam] for lam in lams), lams, mixed)
            path |= {lam: visit(lam) for lam in around(lams, top)}
    lams = sorted(path)
    return _curve(lams, [path[lam] for lam in lams], parents, weights)


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


def _losses(places: Iterable[_Place], *, calibrated: bool = False) -> np.ndarray:
    """Row by row, [points, rows]."""
    return np.stack(
        [place.here.losses((place.temperature or 1.0) if calibrated else 1.0) for place in places]
    )


def _mixed(losses: np.ndarray, weights: Sequence[float]) -> np.ndarray:
    """The weighted mean of the parents' own losses [parents, rows], row by row."""
    return np.einsum("p,pr->r", np.asarray(weights), losses)


def _curve(
    lams: Sequence[float],
    places: Sequence[_Place],
    parents: Sequence[_Place],
    weights: Sequence[float] | None,
) -> Curve:
    def far(*, calibrated: bool = False) -> np.ndarray | None:
        if weights is None:
            return None
        return _mixed(_losses(parents, calibrated=calibrated), weights)

    raw, beyond = _losses(places), far()
    calibrated, calibrated_beyond = None, None
    if all(place.temperature is not None for place in (*places, *parents)):
        calibrated, calibrated_beyond = _losses(places, calibrated=True), far(calibrated=True)
    figures = _means(raw, lams, beyond)
    calibrated_figures = (
        _means(calibrated, lams, calibrated_beyond) if calibrated is not None else None
    )
    points = [
        CurvePoint(
            lam=lam,
            loss=figures[i][0],
            accuracy=float(place.here.right.mean()),
            excess=figures[i][1],
            calibrated_loss=calibrated_figures[i][0] if calibrated_figures else None,
            calibrated_excess=calibrated_figures[i][1] if calibrated_figures else None,
        )
        for i, (lam, place) in enumerate(zip(lams, places, strict=True))
    ]
    return Curve(
        points=points,
        barrier=barrier(raw, lams, beyond),
        calibrated_barrier=barrier(calibrated, lams, calibrated_beyond)
        if calibrated is not None
        else None,
        n=len(places[0].here),
    )


def _means(
    losses: np.ndarray, lams: Sequence[float], far: np.ndarray | None
) -> list[tuple[float, float]]:
    """(mean loss, mean excess) of every point."""
    rise = excess(losses, lams, far)
    return [
        (float(loss), float(over)) for loss, over in zip(losses.mean(1), rise.mean(1), strict=True)
    ]
