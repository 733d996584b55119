"""What the report says of a refinement."""

from __future__ import annotations

import math

from hubmerge.pipeline.results import RunResults
from hubmerge.refine import Judged
from hubmerge.reporting.schema.refinement import RefinedRecord, RefinementRecord
from hubmerge.utils.parent_names import roles


def refinement_record(results: RunResults) -> RefinementRecord | None:
    """What refining came to; None where it was not asked for."""
    found = results.fused.refinement
    if found is None:
        return None
    names = roles("parent", len(results.inputs.models))
    return RefinementRecord(
        refine=results.run.methods.trials.refine,
        steps=found.steps,
        merge=_judged(found.merge),
        parent=None if found.parent is None else names[found.parent],
        refined_parent=None if found.refined_parent is None else _judged(found.refined_parent),
        handed_out=found.handed_out or None,
    )


def _judged(judged: Judged) -> RefinedRecord:
    refined = judged.refined
    return RefinedRecord(
        steps=refined.steps,
        best_step=refined.best_step,
        divergence_before=_finite(refined.divergence_before),
        divergence_after=_finite(refined.divergence_after),
        loss_before=_finite(judged.loss_before),
        loss_after=_finite(judged.loss_after),
        kept=judged.kept,
    )


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None
