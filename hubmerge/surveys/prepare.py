"""From a recipe to what surveys measure on: load, align, and evaluate the untouched models."""

from __future__ import annotations

import copy
from typing import Any

from hubmerge import __version__
from hubmerge.errors import RecipeError
from hubmerge.errors.wording import add, option
from hubmerge.evaluation.evaluate import outputs
from hubmerge.hub.compare import check_mergeable
from hubmerge.landscape.inputs import SurveyInputs
from hubmerge.pipeline.align import find_alignment
from hubmerge.pipeline.load import check_validation_rows, load_parents, merge_inputs
from hubmerge.pipeline.open_data import open_data_splits
from hubmerge.pipeline.parents import prepare_parents
from hubmerge.pipeline.repair import choose_repair, shown_as_trained
from hubmerge.pipeline.resolve import resolve
from hubmerge.pipeline.sources import remember_folders
from hubmerge.recipe import QUICK, Recipe
from hubmerge.reporting.schema.plugins import used_plugins
from hubmerge.tasks import measure_on, require_loss
from hubmerge.utils.workers import Workers


def survey_inputs(recipe: Recipe, workers: Workers | None = None) -> SurveyInputs:
    """Loads and aligns the recipe's models, and runs each of them on every row.

    Called by all processes alike.
    Raises: RecipeError without data, for a repair that is defined on the straight line alone, and
    whatever stops a merge before it is made.
    """
    run = resolve(recipe.replace(effort=QUICK, trials=None), None, workers)
    check_surveyable(recipe)
    run.workers.on_main(lambda: remember_folders(run.sources))
    models = load_parents(run)
    check_mergeable(*models)
    splits = open_data_splits(run, models)
    assert splits is not None
    first = models[0]
    measure = measure_on(first.config, first.source.ref, splits.reading.measure)
    require_loss(measure, "a survey", "dataset")
    check_validation_rows(splits)
    alignment = prepare_parents(
        models,
        None,
        labels=recipe.align_labels,
        matched=run.methods.needs_spec,
        symmetry=recipe.symmetry,
    )
    inputs = merge_inputs(models, alignment, splits, run.methods, recipe.seed)
    repair = choose_repair(run, inputs)
    inputs = shown_as_trained(run, inputs, repair)
    matches, _ = find_alignment(run, inputs, repair)
    states, _ = alignment.aligned(matches)
    parents = [inputs.parents.model(number) for number in range(len(models))]
    return SurveyInputs(
        recipe=run.written,
        method=run.methods.match,
        splits=splits,
        workers=run.workers,
        repair=repair,
        scratch=copy.deepcopy(inputs.parents.a.model),
        matches=matches,
        states=tuple(states),
        naive=tuple(inputs.parents.states),
        ends=tuple(outputs(model, splits.evaluation, run.workers) for model in parents),
        validation_ends=tuple(outputs(model, splits.validation, run.workers) for model in parents),
        statistics=inputs.statistics,
    )


def check_surveyable(recipe: Recipe) -> None:
    """Raises: RecipeError, if nothing off the straight line can be measured."""
    if recipe.dataset is None:
        raise RecipeError("a loss is measured on data", hint=add("dataset"), field="dataset")
    if recipe.repair == "repair":
        raise RecipeError(
            f"{option('repair', 'repair')} is defined between models, on the straight line alone",
            hint=option("repair", "auto", "batchnorm", "none"),
            field="repair",
        )


def survey_fields(inputs: SurveyInputs, curve: str | None = None) -> dict[str, Any]:
    """What every survey says about itself: the fields of `Surveyed`. curve: the path's kind."""
    splits = inputs.splits
    families = sorted({match.spec.family for match in inputs.matches})
    names: list[tuple[str, str | None]] = [
        ("matchers", inputs.method),
        ("repairs", inputs.repair.name if inputs.repair else None),
        ("curves", curve),
        *(("families", family) for family in families),
    ]
    return {
        "hubmerge": __version__,
        "models": list(inputs.recipe.models),
        "recipe": inputs.recipe.model_dump(mode="json", by_alias=True, exclude_defaults=True),
        "method": inputs.method,
        "rows": {
            "calibration": len(inputs.training_rows),
            "validation": splits.validation.rows,
            "evaluation": splits.evaluation.rows,
        },
        "unit": splits.reading.unit,
        "plugins": used_plugins(names),
    }
