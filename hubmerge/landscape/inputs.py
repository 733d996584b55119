"""What surveys measure on: aligned models, their data, and the parents' own outputs."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass

from transformers import PreTrainedModel

from hubmerge.data.rows import RowSet
from hubmerge.data.splits import DataSplits, learning_rows
from hubmerge.evaluation.evaluate import Outputs
from hubmerge.matching import Match
from hubmerge.models.method_context import MethodContext
from hubmerge.recipe import Recipe
from hubmerge.repair import Repair
from hubmerge.symmetry.permutation import State
from hubmerge.tasks import Measure, measure_on
from hubmerge.utils.input_batches import InputBatches
from hubmerge.utils.workers import Workers

TRAINING_ROWS = 15_000
"""Default number of calibration rows that the bends of a path are trained on."""


@dataclass(frozen=True, kw_only=True)
class SurveyInputs:
    """Aligned models on their data.

    recipe: with every source at its commit. states: in one order and form, the first's. naive: as
    loaded, but for the order of their classes. ends, validation_ends: every untouched model's
    outputs on the reported and on the validation rows. statistics: what repairs look at.
    """

    recipe: Recipe
    method: str
    splits: DataSplits
    workers: Workers
    repair: Repair | None
    scratch: PreTrainedModel
    matches: tuple[Match, ...]
    states: tuple[State, ...]
    naive: tuple[State, ...]
    ends: tuple[Outputs, ...]
    validation_ends: tuple[Outputs, ...]
    statistics: InputBatches

    def training_context(self) -> MethodContext:
        """Labelled calibration rows to train on, and validation rows to choose on."""
        batches = self.splits.reading.batches(self.training_rows, True)
        scratch = copy.deepcopy(self.scratch)
        return MethodContext(None, scratch, batches, self.workers, self.splits.validation)

    @property
    def measure(self) -> Measure:
        """What is measured of the models on these rows."""
        name = self.splits.reading.measure
        return measure_on(self.scratch.config, self.recipe.models[0], name)

    @property
    def error_rate(self) -> str | None:
        """What 1 minus the main score is called, where that is what is shown."""
        words = self.measure.words
        return words.accuracy if words.errs else None

    @property
    def training_rows(self) -> RowSet:
        """The calibration rows that bends are trained on."""
        recipe, splits = self.recipe, self.splits
        return learning_rows(
            splits.data,
            splits.rows,
            TRAINING_ROWS,
            samples=recipe.samples,
            asked=recipe.calibration_samples,
        )

    def model_maker(self) -> Callable[[State], PreTrainedModel]:
        """Makes the repaired model of a state, valid until the next one is asked for."""
        scratch = copy.deepcopy(self.scratch)
        context = MethodContext(None, scratch, self.statistics, self.workers)
        repairer = self.repair.function(context, self.states) if self.repair else None
        even = [1 / len(self.states)] * len(self.states)

        def model(state: State) -> PreTrainedModel:
            repaired = repairer(state, even) if repairer else state
            scratch.load_state_dict(dict(repaired))
            return scratch.eval()

        return model
