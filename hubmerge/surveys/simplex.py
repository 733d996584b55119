"""The simplex of several models: lined up in different ways, and measured all over."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from hubmerge.evaluation.outputs import ClassOutputs, Outputs
from hubmerge.evaluation.score import ensemble
from hubmerge.hub.target import check_folder
from hubmerge.landscape.geometry.simplex import (
    INSIDE,
    VERTEX,
    centroid,
    drawn,
    faces,
    kind_of,
    simplex_barrier,
)
from hubmerge.recipe import Recipe
from hubmerge.reporting.numbers import count as counted
from hubmerge.reporting.numbers import interval
from hubmerge.reporting.plots.simplex import barrier_of
from hubmerge.reporting.schema.survey_results import (
    SimplexFound,
    SimplexMeasured,
    SimplexPoint,
    SimplexSeen,
)
from hubmerge.surveys.inputs import Field, about, take_field
from hubmerge.surveys.joint_alignment import refined
from hubmerge.surveys.mixtures import ends_of, look_at, rise_over, rises_of
from hubmerge.surveys.options import POINTS
from hubmerge.surveys.write import write_survey
from hubmerge.utils.workers import Workers

WAYS = ("cycle-consistent", "star")
"""How models are brought together, to be compared."""
REFINED = "cycle-consistent, refined"


def find_simplex(
    recipe: Recipe,
    *,
    samples: int = POINTS,
    out: Path | None = None,
    workers: Workers | None = None,
) -> SimplexFound:
    """Lines models up jointly, jointly and refined, and each to the first; measures each simplex.

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
    fields: list[tuple[str, Field]] = []
    for way in ways:
        field = take_field(recipe.model_copy(update={"multi_match": way}), workers)
        fields.append((way, field))
        if way == WAYS[0] and field.matches:
            fields.append((REFINED, refined(field)))
    fields.sort(key=lambda each: _judged(each[1]))
    measured = [measured_simplex(field, way, samples) for way, field in fields]
    _, field = fields[0]
    # What makes all of it again, not the best alone.
    asked = replace(
        field, recipe=field.recipe.model_copy(update={"multi_match": recipe.multi_match})
    )
    found = SimplexFound(**about(asked), **dict(simplex_seen(measured, field.splits.reading.unit)))
    workers.on_main(lambda: write_survey(found, asked, out))
    return found


def simplex_in(field: Field, multi_match: str, *, samples: int = POINTS) -> SimplexSeen:
    """The simplex of models that are lined up already. multi_match: how."""
    measured = [measured_simplex(field, multi_match, samples)]
    return simplex_seen(measured, field.splits.reading.unit)


def simplex_seen(measured: list[SimplexMeasured], unit: str) -> SimplexSeen:
    """All of them, and a sentence on the first."""
    best = measured[0]
    return SimplexSeen(
        simplexes=measured,
        sentence=f"Matched by {best.multi_match}, the loss inside the simplex rises by at "
        f"most {interval(barrier_of(best))} nats above the models' own on {counted(best.n)} test "
        f"{unit}.",
    )


def _judged(field: Field) -> float:
    """How high the simplex is on validation rows, at the middles of its faces."""
    count = len(field.states)
    return rises_of(field, [centroid(f, count) for f in faces(count)], reported=False).value


def measured_simplex(field: Field, multi_match: str, samples: int) -> SimplexMeasured:
    """Vertices, the middle of every face, and points drawn from the inside."""
    count = len(field.states)
    inner = [(kind_of(face), centroid(face, count)) for face in faces(count)]
    inner += [(INSIDE, shares) for shares in drawn(count, samples, field.recipe.seed)]
    shares = [each for _, each in inner]
    seen, vertices = look_at(field, shares), ends_of(field)
    ends = [end for end, _ in vertices]
    rise = rise_over(seen, vertices, shares, calibrated=False)
    calibrated = rise_over(seen, vertices, shares, calibrated=True)
    assert rise is not None
    places = [
        _place(VERTEX, centroid((vertex,), count), end, 0.0, 0.0) for vertex, end in enumerate(ends)
    ]
    places += [
        _place(
            kind,
            weights,
            seen[number][0],
            float(rise[number].mean()),
            None if calibrated is None else float(calibrated[number].mean()),
        )
        for number, (kind, weights) in enumerate(inner)
    ]
    sampled = [each for (kind, _), (each, _) in zip(inner, seen, strict=True) if kind == INSIDE]
    return SimplexMeasured(
        multi_match=multi_match,
        places=places,
        barrier=simplex_barrier(rise),
        calibrated_barrier=None if calibrated is None else simplex_barrier(calibrated),
        vertices_ensemble=_together(ends),
        drawn_ensemble=_together(sampled[:count]),
        n=len(ends[0]),
    )


def _place(
    kind: str, shares: Sequence[float], said: Outputs, rise: float, calibrated: float | None
) -> SimplexPoint:
    return SimplexPoint(
        kind=kind,
        shares=list(shares),
        loss=float(said.losses().mean()),
        accuracy=float(said.right.mean()),
        excess=rise,
        calibrated_excess=calibrated,
    )


def _together(members: Sequence[Outputs]) -> float | None:
    """Accuracy of the members' mean prediction; None where predictions are not kept."""
    classes = [each for each in members if isinstance(each, ClassOutputs)]
    return float(ensemble(*classes).right.mean()) if classes else None
