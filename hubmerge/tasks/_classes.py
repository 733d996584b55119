"""What tasks share whose outputs are classes, labels that may be right together, or numbers.

transformers chooses among the three by `problem_type`; where that says nothing, one output alone is
a number and several are classes of which one is right.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, cast

from hubmerge.data.column_types import CLASSES, LABEL_SETS, NUMBERS
from hubmerge.tasks._task import Measure, Tolerances, Words

if TYPE_CHECKING:
    import numpy as np
    from transformers import PreTrainedConfig

    from hubmerge.models.class_outputs import ClassOutputs
    from hubmerge.models.label_set_outputs import LabelSetOutputs
    from hubmerge.models.number_outputs import NumberOutputs
    from hubmerge.models.outputs import Outputs, RowStatistics

LABEL_AXES = {"logits": 1}
"""Logits are [rows, classes]."""


def class_statistics(config: PreTrainedConfig) -> RowStatistics:
    """See `hubmerge.models.class_outputs.ClassStatistics`."""
    from hubmerge.models.class_outputs import ClassStatistics

    return ClassStatistics()


def mean_of_parents(members: Sequence[Outputs], known: np.ndarray | None = None) -> Outputs:
    """See `hubmerge.models.class_outputs.mean_prediction`."""
    from hubmerge.models.class_outputs import mean_prediction

    return mean_prediction(cast("Sequence[ClassOutputs]", members), known)


def _label_set_statistics(config: PreTrainedConfig) -> RowStatistics:
    from hubmerge.models.label_set_outputs import LabelSetStatistics

    return LabelSetStatistics()


def _mean_label_set(members: Sequence[Outputs], known: np.ndarray | None = None) -> Outputs:
    from hubmerge.models.label_set_outputs import mean_label_set

    return mean_label_set(cast("Sequence[LabelSetOutputs]", members))


def _number_statistics(config: PreTrainedConfig) -> RowStatistics:
    from hubmerge.models.number_outputs import NumberStatistics

    return NumberStatistics()


def _mean_numbers(members: Sequence[Outputs], known: np.ndarray | None = None) -> Outputs:
    from hubmerge.models.number_outputs import mean_numbers

    return mean_numbers(cast("Sequence[NumberOutputs]", members))


ONE_CLASS = Measure(
    name="classes", statistics=class_statistics, answers=CLASSES, combine=mean_of_parents
)
LABEL_SET = Measure(
    name="label sets",
    statistics=_label_set_statistics,
    answers=LABEL_SETS,
    combine=_mean_label_set,
    one_of_n=False,
    tolerances=Tolerances(loss=0.002),
    words=Words(
        accuracy="exact match",
        metric="exact_match",
        kind="binary cross-entropy",
        scale="losses in nats, the mean over labels; exact match is the share of rows of which "
        "every label is right, and F1 is that of all labels of all rows together",
        measured="loss, exact match, micro-F1 and calibration error",
    ),
)
"""Of losses, which are means over labels most of which are seldom right, less is let pass."""
REGRESSION = Measure(
    name="numbers",
    statistics=_number_statistics,
    answers=NUMBERS,
    combine=_mean_numbers,
    one_of_n=False,
    named=False,
    words=Words(
        accuracy="Pearson correlation",
        metric="pearsonr",
        loss="squared error",
        nats="of the labels' variance",
        kind="squared error",
        scale="squared errors as a share of the variance of the labels: 1 is what the labels' mean "
        "would get",
        measured="squared error, Pearson and Spearman correlation",
        calibrates=False,
    ),
)

BY_PROBLEM_TYPE = {
    "single_label_classification": ONE_CLASS,
    "multi_label_classification": LABEL_SET,
    "regression": REGRESSION,
}
"""As transformers calls them."""
MEASURES = (ONE_CLASS, LABEL_SET, REGRESSION)


def by_problem_type(config: PreTrainedConfig) -> Measure | None:
    """What the outputs of a classifier mean; None for a problem type that is not known."""
    if config.problem_type is None:
        return REGRESSION if config.num_labels == 1 else ONE_CLASS
    found = BY_PROBLEM_TYPE.get(config.problem_type)
    if found is ONE_CLASS and config.num_labels == 1:
        return None
    return found
