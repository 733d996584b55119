"""What every survey begins with: models lined up, their data, and who is measured on it."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from transformers import PreTrainedModel

from hubmerge import __version__
from hubmerge.data.rows import RowSet
from hubmerge.errors import RecipeError
from hubmerge.evaluation.evaluate import Outputs, outputs
from hubmerge.hub.compare import check_mergeable
from hubmerge.matching import Match
from hubmerge.models.method_context import MethodContext
from hubmerge.pipeline.align import loaded
from hubmerge.pipeline.alignment import matched, splits_for
from hubmerge.pipeline.choices import check_names, needs_spec, resolved_match, resolved_repair
from hubmerge.pipeline.evaluate import DataSplits, learning_rows, statistics_of
from hubmerge.pipeline.parents import AlignmentInputs, prepare_parents
from hubmerge.pipeline.resolve import pin, pinned_recipe
from hubmerge.recipe import Recipe
from hubmerge.repair import Repair
from hubmerge.symmetry.permutation import State
from hubmerge.utils.input_batches import InputBatches
from hubmerge.utils.workers import Workers

TAUGHT = 15_000
"""Calibration rows bends are trained on, if nobody says how many."""


@dataclass(frozen=True)
class Field:
    """Lined-up models on their data.

    recipe: with what everything resolved to. states: in one order and form, the first's. naive: as
    they came, but for their classes. ends, held_out: every untouched model's outputs on the
    reported and on the validation rows. statistics: what repairs look at.
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
    held_out: tuple[Outputs, ...]
    statistics: InputBatches

    def context(self) -> MethodContext:
        """Labelled calibration rows to train on, and validation rows to choose on."""
        batches = self.splits.reading.batches(self.taught, True)
        scratch = copy.deepcopy(self.scratch)
        return MethodContext(None, scratch, batches, self.workers, self.splits.validation)

    @property
    def taught(self) -> RowSet:
        """The calibration rows that bends are trained on."""
        return learning_rows(self.splits.data, self.splits.rows, self.recipe, TAUGHT)

    def finisher(self) -> Callable[[State], PreTrainedModel]:
        """Makes the repaired model of a state, valid until the next one is asked for."""
        scratch = copy.deepcopy(self.scratch)
        context = MethodContext(None, scratch, self.statistics, self.workers)
        repairer = self.repair.function(context, self.states) if self.repair else None
        even = [1 / len(self.states)] * len(self.states)

        def finished(state: State) -> PreTrainedModel:
            whole = repairer(state, even) if repairer else state
            scratch.load_state_dict(dict(whole))
            return scratch.eval()

        return finished


def take_field(recipe: Recipe, workers: Workers) -> Field:
    """Loads and lines up the recipe's models, and asks each of them about every row.

    Called by all processes alike.
    Raises: RecipeError without data, for a repair that is none of places off the straight line,
    and whatever stops a merge before it is made.
    """
    check_names(recipe)
    check_surveyable(recipe)
    sources = workers.on_main(lambda: pin(recipe))
    models = [loaded(source, recipe, workers) for source in sources.models]
    check_mergeable(*models)
    method = resolved_match(recipe)
    splits = splits_for(recipe, sources, models[0], workers)
    assert splits is not None
    check_splits(splits)
    matching = needs_spec(recipe, method)
    based = prepare_parents(
        models, None, labels=recipe.align_labels, matched=matching, symmetry=recipe.symmetry
    )
    parents = based.parents
    repair = resolved_repair(recipe, parents.a, splits)
    matches, _ = matched(recipe, method, based, repair, splits, workers)
    whole = [parents.model(number) for number in range(len(models))]
    return field_of(
        pinned_recipe(recipe, sources),
        method,
        based,
        matches,
        repair,
        splits,
        workers,
        [outputs(model, splits.evaluation, workers) for model in whole],
        [outputs(model, splits.validation, workers) for model in whole],
    )


def field_of(
    recipe: Recipe,
    method: str,
    based: AlignmentInputs,
    matches: tuple[Match, ...],
    repair: Repair | None,
    splits: DataSplits,
    workers: Workers,
    ends: Sequence[Outputs],
    held_out: Sequence[Outputs],
) -> Field:
    """The field of models that are matched already, and were asked about every row."""
    states, _ = based.aligned(matches)
    return Field(
        recipe,
        method,
        splits,
        workers,
        repair,
        copy.deepcopy(based.parents.a.model),
        matches,
        tuple(states),
        tuple(based.parents.states),
        tuple(ends),
        tuple(held_out),
        statistics_of(splits, based.parents.a, recipe.seed),
    )


def check_surveyable(recipe: Recipe) -> None:
    """Raises: RecipeError, if nothing off the straight line can be looked at."""
    if recipe.dataset is None:
        raise RecipeError("a loss is measured on data", hint="add --dataset")
    if recipe.repair == "repair":
        raise RecipeError(
            "--repair repair is defined between models, on the straight line alone",
            hint="--repair auto, batchnorm or none",
        )


def check_splits(splits: DataSplits) -> None:
    """Raises: RecipeError, if there are no validation rows to choose on."""
    if not splits.validation.rows:
        raise RecipeError(
            "what is chosen is chosen on validation rows",
            found="none are left for it",
            hint="ask for fewer --samples",
        )


def about(field: Field) -> dict[str, Any]:
    """What every survey says about itself: the fields of `Surveyed`."""
    splits = field.splits
    return {
        "hubmerge": __version__,
        "models": list(field.recipe.models),
        "recipe": field.recipe.model_dump(mode="json", by_alias=True, exclude_defaults=True),
        "method": field.method,
        "rows": {
            "calibration": len(field.taught),
            "validation": splits.validation.rows,
            "evaluation": splits.evaluation.rows,
        },
        "unit": splits.reading.unit,
    }
