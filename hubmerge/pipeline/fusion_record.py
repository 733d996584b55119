"""What the report says of a fusion: which, on which rows, with which options, and what it chose."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from hubmerge.fuse import Fused, Fusion
from hubmerge.fuse.options import settled
from hubmerge.fuse.result import SoupRecord
from hubmerge.pipeline.auto_fuse import Trial
from hubmerge.pipeline.fusing import part_of
from hubmerge.recipe import Recipe
from hubmerge.reporting.schema import fusion as fused
from hubmerge.utils.parent_names import roles


def fusion_record(
    recipe: Recipe, fusion: Fusion, made: Fused, trials: Sequence[Trial]
) -> dict[str, Any]:
    """The fields of a report's method that are about its fusion."""
    options = settled(fusion.name, fusion.options, recipe.fuse_options)
    return {
        "fuse": fusion.name,
        "needs": fusion.needs,
        "fuse_options": options or None,
        "ingredients": list(made.weights) if made.weights else None,
        "ledger": _ledger(made.ledger, len(recipe.models)) if made.ledger else None,
        "fusions_tried": [_trial(trial) for trial in trials] or None,
        "part": None if part_of(recipe).whole else part_of(recipe).told,
    }


def _ledger(ledger: SoupRecord, models: int) -> fused.SoupRecord:
    names = roles("parent", models)
    return fused.SoupRecord(
        metric=ledger.metric,
        steps=[
            fused.SoupStep(
                ingredient=names[step.ingredient],
                alone=step.alone,
                soup=step.soup,
                taken=step.taken,
            )
            for step in ledger.steps
        ],
    )


def _trial(trial: Trial) -> fused.FusionTried:
    return fused.FusionTried(
        fuse=trial.fusion.name,
        needs=trial.fusion.needs,
        loss=trial.loss if math.isfinite(trial.loss) else None,
        accuracy=trial.score.accuracy,
        chosen=trial.chosen,
    )
