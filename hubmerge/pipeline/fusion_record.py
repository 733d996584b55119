"""What the report says of a fusion: which, on which rows, with which options, and what it chose."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from hubmerge.fuse.result import Soup
from hubmerge.fuse.subset import Subset
from hubmerge.pipeline.auto_fuse import FusionTrial
from hubmerge.pipeline.fuse import FusedModel
from hubmerge.reporting.schema import fusion as fused
from hubmerge.utils.parent_names import roles


def fusion_record(
    model: FusedModel, subset: Subset, asked: Mapping[str, Any], parents: int
) -> dict[str, Any]:
    """The fields of a report's method that are about its fusion.

    subset: the tensors that were merged. asked: the fusion's options in the recipe. parents: how
    many there are.
    """
    fusion, made = model.fusion, model.fused
    settings = fusion.settings(asked, parents)
    options = {**settings.plain, **asked} if settings.rules else settings.plain
    return {
        "fuse": fusion.name,
        "needs": fusion.needs,
        "fuse_options": {n: _plain(value) for n, value in options.items()} or None,
        "ingredients": list(made.weights) if made.weights else None,
        "soup": _soup(made.soup, parents) if made.soup else None,
        "fusions_tried": [_trial(trial) for trial in model.trials] or None,
        "part": None if subset.whole else subset.description,
    }


def _plain(value: Any) -> Any:
    """A value as JSON has it."""
    return list(value) if isinstance(value, tuple) else value


def _soup(soup: Soup, models: int) -> fused.SoupRecord:
    names = roles("parent", models)
    return fused.SoupRecord(
        metric=soup.metric,
        steps=[
            fused.SoupStep(
                ingredient=names[step.ingredient],
                alone=step.alone,
                soup=step.soup,
                taken=step.taken,
            )
            for step in soup.steps
        ],
    )


def _trial(trial: FusionTrial) -> fused.FusionTried:
    return fused.FusionTried(
        fuse=trial.fusion.name,
        needs=trial.fusion.needs,
        loss=trial.loss if math.isfinite(trial.loss) else None,
        accuracy=trial.score.accuracy,
        chosen=trial.chosen,
    )
