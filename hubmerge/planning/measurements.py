"""What will be measured on which rows."""

from __future__ import annotations

from typing import Literal

from hubmerge.planning.plan import Measurement
from hubmerge.recipe import NO_REFINEMENT
from hubmerge.refine import RATES, ROWS
from hubmerge.reporting.effort import BACK_AND_FORTH
from hubmerge.reporting.schema.effort import EffortRecord
from hubmerge.tasks import DEFAULT_WORDS, Words

NO_DATA = "no data set is given"
SAMPLES = 1000
"""Rows a measurement takes by default, and the most a curve does."""


def measurements(
    data: bool,
    samples: int | Literal["all"] | None,
    calibration_samples: int | None,
    *,
    models: int = 2,
    words: Words = DEFAULT_WORDS,
    without: str = NO_DATA,
    instead: tuple[str, str] | None = None,
    path: bool = True,
) -> list[Measurement]:
    """What will be measured on what; `without` data, why nothing is, and what is done `instead`.

    path: whether the loss along it is.
    """
    if not data:
        shown = [] if instead is None else [Measurement(what=instead[0], rows=instead[1])]
        return [Measurement(what="nothing", rows=without), *shown]
    if samples is None:
        evaluation = f"evaluation rows: {SAMPLES:,}, or all if there are fewer"
    else:
        evaluation = "evaluation rows: " + ("all" if samples == "all" else f"{samples:,}")
    calibration = "" if calibration_samples is None else f": {calibration_samples:,}"
    return [
        Measurement(
            what=f"{words.measured} of {'both' if models == 2 else 'all'} "
            "parents, the naive average, the merge and the parents' ensemble",
            rows=evaluation,
        ),
        *(_by_losses(models)[0 if path else 1 :] if words.has_loss else ()),
        Measurement(
            what="statistics: batch norm, repair, activations",
            rows=f"calibration rows{calibration}, apart from both",
        ),
    ]


def _by_losses(models: int) -> list[Measurement]:
    """What is measured where rows have a loss."""
    return [
        Measurement(
            what=f"loss along the path {_path(models)}, naive and matched: the barrier",
            rows=f"at most {SAMPLES:,} of those",
        ),
        Measurement(
            what="temperatures and whatever else is chosen",
            rows="validation rows, apart from the evaluation rows",
        ),
    ]


def refinement(effort: EffortRecord, *, models: int, blended: bool) -> list[Measurement]:
    """What refining will do, and its cost; nothing where it is not asked for.

    blended: whether rows are blended, so that all `models` are run on those of a whole course.
    """
    steps = effort.refine_steps
    if effort.refine == NO_REFINEMENT or steps is None:
        return []
    asked = models * steps // len(RATES) if blended else 0  # what they say is kept for all courses
    passes = ROWS * (2 * steps * BACK_AND_FORTH + asked)
    return [
        Measurement(
            what=f"refinement ({effort.refine}) of the merge, and of the better parent to compare "
            f"it with: the parents' mean prediction, {steps:,} steps of {ROWS} rows each",
            rows="calibration rows, without labels; validation rows say what is kept; takes about "
            f"as long as running a model on {passes:,} rows",
        )
    ]


def _path(models: int) -> str:
    if models == 2:
        return "between the parents"
    return "from parent A to the mixture of all parents"
