"""The merge against one other contender, paired row by row, with one-sided 95% bounds.

Accuracy: the Wald interval for a difference of matched proportions, after adding half a row to each
of the four cells (both right, only one, only the other, both wrong). Source: A. Agresti, Y. Min,
"Simple improved confidence intervals for comparing matched proportions", Statistics in Medicine 24
(2005). Where a row is right in part (the tokens of a text) or the score is no mean over rows, and
for the calibrated loss: the paired bootstrap of `bootstrap.py`.
"""

from __future__ import annotations

import numpy as np
from scipy.special import ndtri

from hubmerge.evaluation.bootstrap import (
    NO_BOUNDS,
    Bounds,
    bounds,
    is_enough,
    resampled,
    resampled_means,
)
from hubmerge.evaluation.results import Comparison
from hubmerge.models.metrics import Metric
from hubmerge.models.outputs import Outputs

Z = float(ndtri(0.95))
"""95% point of the normal distribution, one-sided."""


def compare(
    merge: Outputs,
    other: Outputs,
    name: str,
    *,
    merge_temperature: float | None = None,
    other_temperature: float | None = None,
    has_loss: bool = True,
) -> Comparison:
    """`merge` minus `other` (called `name`) on the same rows.

    The calibrated loss is compared if both have a temperature, and the loss itself where none
    means anything; neither without `has_loss`. Of too few rows there are no bounds.
    Raises: ValueError, if the rows are not the same.
    """
    if not np.array_equal(merge.labels, other.labels):
        raise ValueError(f"the merge and {name} were not evaluated on the same rows")
    low, high = metric_bounds(merge.metric, other.metric, len(merge))
    difference, loss_low, loss_high = None, None, None
    if has_loss and not merge.calibrates:
        merge_temperature = other_temperature = 1.0
    if merge_temperature is not None and other_temperature is not None:
        added = merge.losses(merge_temperature) - other.losses(other_temperature)
        difference = float(added.mean())
        if is_enough(len(added)):
            loss_low, loss_high = bounds(resampled_means(added[None])[:, 0])
    return Comparison(
        other=name,
        accuracy_difference=merge.metric.value() - other.metric.value(),
        accuracy_low=low,
        accuracy_high=high,
        calibrated_loss_difference=difference,
        calibrated_loss_low=loss_low,
        calibrated_loss_high=loss_high,
        n=len(merge),
    )


def metric_bounds(left: Metric, right: Metric, rows: int) -> Bounds:
    """Bounds of the difference of two main scores of the same rows."""
    if not is_enough(rows):
        return NO_BOUNDS
    if left.rows is not None and right.rows is not None:
        return accuracy_bounds(left.rows, right.rows)
    samples = resampled([left, right], rows)
    return bounds(samples[:, 0] - samples[:, 1])


def accuracy_bounds(left: np.ndarray, right: np.ndarray, z: float = Z) -> Bounds:
    """Bounds of mean(left) - mean(right), paired, in [-1, 1]: both bool [rows], or shares."""
    if left.dtype != bool:
        return bounds(resampled_means((left - right)[None])[:, 0])
    rows = len(left) + 2
    only_left = (left & ~right).sum() + 0.5
    only_right = (right & ~left).sum() + 0.5
    middle = (only_left - only_right) / rows
    spread = np.sqrt((only_left + only_right) / rows - middle**2) / np.sqrt(rows)
    return max(-1.0, float(middle - z * spread)), min(1.0, float(middle + z * spread))
