"""A data set opened and divided: disjoint sets of batches, each for one purpose."""

from __future__ import annotations

from dataclasses import dataclass, replace

from hubmerge.data.batches import Batches
from hubmerge.data.dataset import Data
from hubmerge.data.reading import Reading
from hubmerge.data.rows import Rows, RowSet, choose_rows
from hubmerge.errors import LabelError
from hubmerge.recipe import Recipe


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
    learns. notes: what the report says of the rows.
    """

    data: Data
    rows: Rows
    reading: Reading
    calibration: Batches
    validation: Batches
    evaluation: Batches
    learning: Batches
    notes: tuple[str, ...]
    training: TrainingRows | None = None

    @property
    def labelled_calibration(self) -> Batches:
        """The calibration rows with their labels, if every row has one."""
        try:
            labels = self.reading.batches(self.rows.calibration, True).labels
        except LabelError:
            return self.calibration
        return replace(self.calibration, labels=labels)


def learning_rows(data: Data, rows: Rows, recipe: Recipe, wanted: int) -> RowSet:
    """The calibration rows; up to `wanted` of their kind, where the recipe asks for no number."""
    if recipe.calibration_samples is not None:
        return rows.calibration
    most = min(wanted, rows.calibration.available)
    return choose_rows(data, samples=recipe.samples, calibration_samples=most).calibration
