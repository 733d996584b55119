"""What surveys find: plain typed numbers, the same in memory and in the JSON that is written.

What is seen of a path, a plane or a simplex stands by itself (`PathSeen`, ...): in the report of a
merge that carries it, or with what a survey of its own says about itself (`PathFound`, ...).
"""

from __future__ import annotations

from typing import Any, ClassVar, Literal

from pydantic import Field

from hubmerge.evaluation.results import Barrier, Curve, Result
from hubmerge.reporting.schema.plugins import UsedPlugin
from hubmerge.utils.shown import Shown

Settled = Literal["no barrier", "a barrier", "cannot tell"]


class Surveyed(Shown, Result):
    """What all surveys say about themselves.

    models: `id@sha` or folder, each. recipe: everything that decides what was found. rows: what
    calibration, validation and evaluation hold. plugins: what of this is no part of hubmerge.
    """

    hubmerge: str
    models: list[str]
    recipe: dict[str, Any]
    method: str
    rows: dict[str, int]
    unit: str
    plugins: list[UsedPlugin] = Field(default_factory=list)
    sentence: str
    text_by: ClassVar[str] = "hubmerge.reporting.survey_kinds:found_text"


class PathSeen(Result):
    """Paths from the first model to the second.

    naive: straight, as given. straight: straight, once aligned. found: along the curve; None
    where that is the line itself. length: of the curve, in lengths of the straight path.
    error_rate: what 1 minus an accuracy is called, where that is what is shown.
    """

    curve: str
    bends: int
    steps: int
    naive: Curve
    straight: Curve
    found: Curve | None
    length: float
    settled: Settled
    sentence: str
    error_rate: str | None = None


class PathFound(PathSeen, Surveyed):
    """A survey of paths."""


class PlanePoint(Result):
    """A measured point of a plane: its coordinates, and what it is worth.

    loss: None where it is no number.
    """

    x: float
    y: float
    loss: float | None
    accuracy: float


class PlaneSeen(Result):
    """The loss on the plane through A, B as given, and B aligned.

    corners: name -> coordinates, in Euclidean distances of weight space; A is the origin.
    middles: name of a corner -> what was measured halfway to it from A. error_rate: as of a path.
    """

    corners: dict[str, tuple[float, float]]
    points: list[PlanePoint]
    middles: dict[str, PlanePoint]
    n: int
    sentence: str
    error_rate: str | None = None


class PlaneFound(PlaneSeen, Surveyed):
    """A survey of a plane."""


class SimplexPoint(Result):
    """A point of a simplex: what each vertex weighs, and its excess over their losses' mixture."""

    kind: str
    shares: list[float]
    loss: float
    accuracy: float
    excess: float
    calibrated_excess: float | None


class SimplexMeasured(Result):
    """A simplex whose vertices are lined-up models.

    multi_match: how they were matched. ensemble: accuracy of the mean prediction of the
    vertices, and of as many points drawn from inside.
    """

    multi_match: str
    places: list[SimplexPoint]
    barrier: Barrier
    calibrated_barrier: Barrier | None
    vertices_ensemble: float | None
    drawn_ensemble: float | None
    n: int


class SimplexSeen(Result):
    """Simplexes of the same models, brought together in several ways.

    The first is the best on validation rows.
    """

    simplexes: list[SimplexMeasured]
    sentence: str


class SimplexFound(SimplexSeen, Surveyed):
    """A survey of simplexes."""


class Simplex(Result):
    """A low-loss simplex: numbers of its models, and its largest excess on the reported rows."""

    models: list[int]
    barrier: Barrier


class ComplexPath(Result):
    """The lowest route from the first of these models to the last.

    height: the largest excess on its edges, on validation rows. low: whether that is low.
    """

    models: list[int]
    height: float
    low: bool


class ComplexFound(Surveyed):
    """The maximal low-loss simplexes of many models, and the routes between all pairs.

    alone: models in none. exhausted: whether the budget ended the search.
    """

    limit: float
    budget: int
    tried: int
    exhausted: bool
    simplexes: list[Simplex]
    alone: list[int]
    routes: list[ComplexPath]
    n: int
    sentence: str
