"""The simplex of several aligned models: vertices, faces, and points from the inside."""

from __future__ import annotations

from collections.abc import Sequence

from hubmerge.landscape.geometry.simplex import (
    INSIDE,
    VERTEX,
    centroid,
    drawn,
    faces,
    kind_of,
    simplex_barrier,
)
from hubmerge.landscape.inputs import SurveyInputs
from hubmerge.landscape.mixtures import ends_of, look_at, rise_over
from hubmerge.landscape.options import POINTS
from hubmerge.models.outputs import Outputs
from hubmerge.reporting.numbers import counted, excess, too_few
from hubmerge.reporting.plots.simplex import barrier_of
from hubmerge.reporting.schema.survey_results import SimplexMeasured, SimplexPoint, SimplexSeen


def measure_simplex(
    inputs: SurveyInputs, multi_match: str, *, samples: int = POINTS
) -> SimplexSeen:
    """The simplex of models that are aligned already. multi_match: how."""
    measured = [measured_simplex(inputs, multi_match, samples)]
    return compare_simplexes(measured, inputs.splits.reading.unit)


def compare_simplexes(measured: list[SimplexMeasured], unit: str) -> SimplexSeen:
    """All of them, and a sentence on the first."""
    best = measured[0]
    return SimplexSeen(
        simplexes=measured,
        sentence=f"In the simplex, matched by {best.multi_match}: "
        f"{excess('loss', barrier_of(best))} nats, compared with the models' own on "
        f"{counted(best.n, f'test {unit}')}." + too_few(barrier_of(best), best.n, unit),
    )


def measured_simplex(inputs: SurveyInputs, multi_match: str, samples: int) -> SimplexMeasured:
    """Vertices, the middle of every face, and points drawn from the inside."""
    count = len(inputs.states)
    inner = [(kind_of(face), centroid(face, count)) for face in faces(count)]
    inner += [(INSIDE, shares) for shares in drawn(count, samples, inputs.recipe.seed)]
    shares = [each for _, each in inner]
    seen, vertices = look_at(inputs, shares), ends_of(inputs)
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
        vertices_ensemble=_ensemble(inputs, ends),
        drawn_ensemble=_ensemble(inputs, sampled[:count]),
        n=len(ends[0]),
    )


def _place(
    kind: str, shares: Sequence[float], said: Outputs, rise: float, calibrated: float | None
) -> SimplexPoint:
    return SimplexPoint(
        kind=kind,
        shares=list(shares),
        loss=float(said.losses().mean()),
        accuracy=said.metric.value(),
        excess=rise,
        calibrated_excess=calibrated,
    )


def _ensemble(inputs: SurveyInputs, members: Sequence[Outputs]) -> float | None:
    """Accuracy of the members' ensemble; None where too little is kept of their outputs."""
    combine = inputs.measure.combine
    return combine(members, None).metric.value() if combine else None
