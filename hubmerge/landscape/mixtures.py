"""Looking at mixtures of lined-up models: what they say, and how far their losses rise."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from hubmerge.evaluation.curve import CURVE_ROWS, CURVE_VALIDATION_ROWS
from hubmerge.evaluation.evaluate import outputs
from hubmerge.evaluation.results import Barrier
from hubmerge.evaluation.score import temperature_of
from hubmerge.landscape.geometry.chain import mixed
from hubmerge.landscape.geometry.simplex import excess, simplex_barrier
from hubmerge.landscape.inputs import SurveyInputs
from hubmerge.models.outputs import Outputs
from hubmerge.utils.progress import track

Seen = list[tuple[Outputs, float | None]]
"""Outputs and temperature of every point."""


def look_at(
    inputs: SurveyInputs, points: Sequence[Sequence[float]], *, reported: bool = True
) -> Seen:
    """What the repaired mixtures with these shares say.

    reported: on the reported rows, else on the validation rows.
    """
    splits, model_of = inputs.splits, inputs.model_maker()
    held = splits.validation.first(CURVE_VALIDATION_ROWS)
    rows = splits.evaluation.first(CURVE_ROWS) if reported else held
    found: Seen = []
    with track(len(points), "looking inside", "point") as bar:
        for shares in points:
            model = model_of(mixed(inputs.states, shares))
            said = outputs(model, held, inputs.workers)
            here = outputs(model, rows, inputs.workers) if reported else said
            found.append((here, temperature_of(said)))
            bar.update(1)
    return found


def ends_of(inputs: SurveyInputs, *, reported: bool = True) -> Seen:
    """The untouched models' outputs on the same rows, each with its temperature."""
    held = [each.first(CURVE_VALIDATION_ROWS) for each in inputs.validation_ends]
    ends = [each.first(CURVE_ROWS) for each in inputs.ends] if reported else held
    return [(end, temperature_of(one)) for end, one in zip(ends, held, strict=True)]


def rise_over(
    seen: Seen, ends: Seen, shares: Sequence[Sequence[float]], *, calibrated: bool
) -> np.ndarray | None:
    """Excess of every point, row by row [points, rows]; None where nothing was calibrated."""
    everyone = [temperature for _, temperature in (*seen, *ends)]
    if calibrated and None in everyone:
        return None

    def losses(of: Seen) -> np.ndarray:
        return np.stack([one.losses((calibrated and t) or 1.0) for one, t in of])

    return excess(losses(seen), losses(ends), np.array(shares))


def rises_of(inputs: SurveyInputs, points: Sequence[Sequence[float]], *, reported: bool) -> Barrier:
    """The largest excess over these points: calibrated, where that can be."""
    seen, ends = look_at(inputs, points, reported=reported), ends_of(inputs, reported=reported)
    rise = rise_over(seen, ends, points, calibrated=True)
    if rise is None:
        rise = rise_over(seen, ends, points, calibrated=False)
    assert rise is not None
    return simplex_barrier(rise)
