"""A data set opened and divided: disjoint sets of batches, each for one purpose."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

from hubmerge.data.batches import Batches
from hubmerge.data.dataset import DataSet
from hubmerge.data.reading import Reading
from hubmerge.data.rows import Rows, RowSet, choose_rows
from hubmerge.errors import LabelError


@dataclass(frozen=True, kw_only=True)
class TrainingRows:
    """Training rows that paths are measured on beside the reported ones.

    used: how many of them are calibration rows as well, or were learned from.
    """

    rows: RowSet
    used: int
    batches: Batches


@dataclass(frozen=True, kw_only=True)
class DataSplits:
    """The rows of one data set as batches for one kind of model.

    learning: what a matcher may look at: the calibration rows, and more of their kind if it
    learns. refining: what a refinement learns from, of the same kind. watched: the validation rows
    as matchers and refinement look at them. notes: what the report says of the rows.
    """

    data: DataSet
    rows: Rows
    reading: Reading
    calibration: Batches
    validation: Batches
    evaluation: Batches
    learning: Batches
    refining: Batches
    watched: Batches
    notes: tuple[str, ...]
    training: TrainingRows | None = None

    @property
    def labelled_calibration(self) -> Batches:
        """The calibration rows with their labels, if every row has one."""
        if self.calibration.labels is not None:
            return self.calibration
        try:
            labels = self.reading.batches(self.rows.calibration, True).labels
        except LabelError:
            return self.calibration
        return replace(self.calibration, labels=labels)


def split_validation(validation: Batches) -> tuple[Batches, Batches]:
    """Two halves of the validation rows: what fusions choose on, and what they are compared on.

    So that none is judged by rows it has seen.
    """
    middle = (validation.rows + 1) // 2
    return validation.first(middle), validation.part(middle)


def learning_rows(
    data: DataSet,
    rows: Rows,
    wanted: int,
    *,
    samples: int | Literal["all"] | None,
    asked: int | None,
) -> RowSet:
    """The calibration rows; up to `wanted` of their kind, where no number was `asked` for.

    samples: evaluation rows, as `choose_rows` takes them.
    """
    if asked is not None:
        return rows.calibration
    most = min(wanted, rows.calibration.available)
    return choose_rows(data, samples=samples, calibration_samples=most).calibration
