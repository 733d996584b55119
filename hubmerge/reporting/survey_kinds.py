"""The kinds of surveys, and how each is shown: title, picture and its words, tables, options.

Every interface uses this table: the README of a survey's folder, a merge's card, the terminal,
the Space.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from hubmerge.reporting.numbers import figure, interval
from hubmerge.reporting.plots.complex import draw_complex
from hubmerge.reporting.plots.path import draw_path, routes
from hubmerge.reporting.plots.plane import draw_plane
from hubmerge.reporting.plots.simplex import INSIDE, draw_simplex
from hubmerge.reporting.schema.survey_results import (
    ComplexFound,
    PathSeen,
    PlaneSeen,
    SimplexSeen,
    Surveyed,
)
from hubmerge.utils.parent_names import parent_letters
from hubmerge.utils.tables import right_of_first


class Table(NamedTuple):
    """Figures to be shown: the first column is text, the others are numbers."""

    head: tuple[str, ...]
    rows: Sequence[tuple[str, ...]]


@dataclass(frozen=True)
class SurveyKind:
    """How one kind of survey is shown.

    name: its command. draw: the PNG file of what was seen, given the plural word for a row.
    alt: the text alternative of the picture. options: of its command, that make
    the same again.
    """

    name: str
    title: str
    alt: str
    draw: Callable[[Any, str], bytes]
    tables: Callable[[Any], Sequence[Table]]
    options: Callable[[Any], Mapping[str, object]]

    @property
    def picture(self) -> str:
        """Its file."""
        return f"{self.name}.png"

    @property
    def report(self) -> str:
        """The file of its figures, where it has a folder of its own."""
        return f"{self.name}.json"


def _of_path(seen: PathSeen) -> list[Table]:
    score = "lowest accuracy" if seen.error_rate is None else f"highest {seen.error_rate}"
    head = ("path", "loss barrier", "calibrated", "error barrier", score)
    rows = [
        (
            name,
            interval(curve.barrier),
            interval(curve.calibrated_barrier),
            interval(curve.error_barrier),
            _score(min(point.accuracy for point in curve.points), seen.error_rate),
        )
        for name, curve in routes(seen)
    ]
    return [Table(head, rows)]


def _of_plane(seen: PlaneSeen) -> list[Table]:
    rows = [
        (
            name,
            figure(x, 2),
            figure(y, 2),
            figure(seen.middles[name].loss if name in seen.middles else None),
            _score(seen.middles[name].accuracy if name in seen.middles else None, seen.error_rate),
        )
        for name, (x, y) in sorted(seen.corners.items())
    ]
    score = f"{seen.error_rate or 'accuracy'} there"
    return [Table(("model", "x", "y", "loss halfway from A", score), rows)]


def _score(accuracy: float | None, error_rate: str | None) -> str:
    """An accuracy, or the rate of errors that is shown in its place."""
    return figure(accuracy if error_rate is None or accuracy is None else 1 - accuracy)


def _of_simplex(seen: SimplexSeen) -> list[Table]:
    head = (
        "matched by",
        "loss barrier",
        "calibrated",
        "ensemble of vertices",
        "of points inside",
    )
    rows = [
        (
            each.multi_match,
            interval(each.barrier),
            interval(each.calibrated_barrier),
            figure(each.vertices_ensemble),
            figure(each.drawn_ensemble),
        )
        for each in seen.simplexes
    ]
    return [Table(head, rows)]


def _of_complex(found: ComplexFound) -> list[Table]:
    names = parent_letters(len(found.models))
    simplexes = [
        (
            "".join(names[k] for k in each.models),
            interval(each.barrier),
        )
        for each in found.simplexes
    ]
    ways = [
        ("-".join(names[k] for k in way.models), figure(way.height), "" if way.low else "not low")
        for way in found.routes
    ]
    return [
        Table(("simplex", "largest excess (nats)"), simplexes),
        Table(("route", "highest edge (nats, on validation rows)", ""), ways),
    ]


KINDS = {
    PathSeen: SurveyKind(
        "path",
        "Paths from A to B",
        "The loss along paths from A to B: straight as the models came, straight once they are "
        "aligned, and along a trained curve if requested",
        draw_path,
        _of_path,
        lambda seen: {"curve": seen.curve, "bends": seen.bends, "steps": seen.steps},
    ),
    PlaneSeen: SurveyKind(
        "plane",
        "The plane through A, B as given, and B aligned",
        "Contours of the loss on the plane through A, B as given and B aligned, with both "
        "straight paths",
        draw_plane,
        _of_plane,
        lambda seen: {"grid": round(len(seen.points) ** 0.5)},
    ),
    SimplexSeen: SurveyKind(
        "simplex",
        "The simplex of the models",
        "Excess loss at mixtures of the models: at the centres of all faces of their simplex, and "
        "inside",
        draw_simplex,
        _of_simplex,
        lambda seen: {"points": sum(place.kind == INSIDE for place in seen.simplexes[0].places)},
    ),
    ComplexFound: SurveyKind(
        "complex",
        "The complex of the models",
        "The models on a circle, joined where the loss between them is low; filled where it is low "
        "inside",
        lambda found, unit: draw_complex(found),
        _of_complex,
        lambda found: {"limit": found.limit, "budget": found.budget},
    ),
}
"""What was seen -> how it is shown."""


def kind_of(seen: object) -> SurveyKind:
    """How a survey is shown."""
    return next(kind for of, kind in KINDS.items() if isinstance(seen, of))


def as_text(table: Table) -> str:
    """The table in columns, for a terminal."""
    return right_of_first([table.head, *table.rows])


def found_text(found: Surveyed) -> str:
    """A survey as a terminal shows it: a sentence and its tables."""
    return "\n\n".join([found.sentence, *map(as_text, kind_of(found).tables(found))])
