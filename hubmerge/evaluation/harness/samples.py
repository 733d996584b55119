"""From the harness's logs, row by row, to scores and paired differences. Knows no model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from hubmerge.evaluation.bootstrap import NO_BOUNDS, Bounds, bounds, is_enough, resampled_means
from hubmerge.evaluation.comparison import accuracy_bounds
from hubmerge.evaluation.harness.results import Difference

CLOSE = 1e-9
"""How far the mean over rows may be off a score that is this mean."""


@dataclass(frozen=True)
class TaskLog:
    """One contender's score in a task.

    rows: what each row contributes, in their order; None where the score is no mean over rows.
    """

    metric: str
    value: float
    rows: np.ndarray | None
    n: int


def task_log(scores: Mapping[str, Any], samples: Sequence[Mapping[str, Any]]) -> TaskLog | None:
    """The first score of a task, and what each row contributes; None if it has no score.

    scores: "METRIC,FILTER" -> value, as the harness has it. samples: its log, a mapping per row and
    filter.
    """
    for key, value in scores.items():
        metric, _, wanted = key.partition(",")
        if not wanted or metric.endswith("_stderr") or not _is_number(value):
            continue
        own = sorted(
            (each for each in samples if each.get("filter", wanted) == wanted),
            key=lambda each: each["doc_id"],
        )
        values = [each.get(metric) for each in own]
        rows = np.array(values, dtype=np.float64) if all(map(_is_number, values)) else None
        if rows is None or not len(rows) or abs(rows.mean() - float(value)) > CLOSE:
            rows = None
        return TaskLog(metric, float(value), rows, len(own))
    return None


def difference(merge: TaskLog, other: TaskLog, name: str) -> Difference:
    """`merge` minus `other` (called `name`) on the same rows.

    Raises: ValueError, if the metric or the number of rows is another.
    """
    if (merge.metric, merge.n) != (other.metric, other.n):
        raise ValueError(f"the merge and {name} were not evaluated alike")
    low, high = _bounds(merge.rows, other.rows)
    return Difference(other=name, difference=merge.value - other.value, low=low, high=high)


def _bounds(left: np.ndarray | None, right: np.ndarray | None) -> Bounds:
    if left is None or right is None or not is_enough(len(left)):
        return NO_BOUNDS
    if all(np.isin(each, (0.0, 1.0)).all() for each in (left, right)):
        return accuracy_bounds(left.astype(bool), right.astype(bool))
    return bounds(resampled_means((left - right)[None])[:, 0])


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float | np.number) and bool(np.isfinite(value))
