"""What tasks share whose outputs are classes: where labels are, and the mean of the parents."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, cast

if TYPE_CHECKING:
    import numpy as np

    from hubmerge.models.class_outputs import ClassOutputs
    from hubmerge.models.outputs import Outputs, RowStatistics

LABEL_AXES = {"logits": 1}
"""Logits are [rows, classes]."""


def class_statistics() -> RowStatistics:
    """See `hubmerge.models.class_outputs.ClassStatistics`."""
    from hubmerge.models.class_outputs import ClassStatistics

    return ClassStatistics()


def mean_of_parents(members: Sequence[Outputs], known: np.ndarray | None = None) -> Outputs:
    """See `hubmerge.models.class_outputs.mean_prediction`."""
    from hubmerge.models.class_outputs import mean_prediction

    return mean_prediction(cast("Sequence[ClassOutputs]", members), known)
