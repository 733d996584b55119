"""Open the recipe's data set and divide it into disjoint sets of rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from hubmerge.data.copied_rows import without_copies
from hubmerge.data.data_columns import DataColumns
from hubmerge.data.dataset import open_data
from hubmerge.data.reading import ReadFor, refuse_size
from hubmerge.data.rows import RowSet, choose_rows, training_rows
from hubmerge.data.splits import DataSplits, TrainingRows, learning_rows
from hubmerge.evaluation.bootstrap import LEAST_ROWS
from hubmerge.hub.client import cache_folder
from hubmerge.hub.fetch import fetch
from hubmerge.hub.loaded_model import LoadedModel
from hubmerge.matching import learners
from hubmerge.models.joint_head import JointHead
from hubmerge.pipeline.context import Run
from hubmerge.planning.misread import refuse_misread
from hubmerge.recipe import Recipe, Trials
from hubmerge.tasks import require_measure, require_task


def open_data_splits(
    run: Run,
    models: Sequence[LoadedModel],
    heads: JointHead | None = None,
    *,
    labelled: bool = True,
    refined: bool = False,
) -> DataSplits | None:
    """The run's data, divided for these models (with these heads); None without any.

    refined: whether it is for a merge, which may be refined.

    Called by all processes alike; the main one fetches and fills the caches first.
    Raises: as `open_splits`; RecipeError, if the models' outputs mean different things, or a method
    cannot learn from them.
    """
    source, workers, a = run.sources.dataset, run.workers, models[0]
    if source is None:
        return None
    measure = require_measure([(model.config, model.source.ref) for model in models])
    refuse_misread(run.methods, run.recipe.refine, run.recipe.survey, measure)
    folder = str(workers.on_main(lambda: fetch(source)))
    trials = run.methods.trials if refined else None

    def opened() -> DataSplits:
        return open_splits(folder, run.recipe, a, heads, labelled=labelled, trials=trials)

    if workers.processes > 1:
        workers.on_main(lambda: opened().rows)
    return opened()


def _links_within(folder: Path) -> Path | None:
    """Where links in a data set may lead: of one from the Hub no further than its cache."""
    cache = cache_folder().resolve()
    return cache if folder.resolve().is_relative_to(cache) else None


def open_splits(
    folder: str,
    recipe: Recipe,
    a: LoadedModel,
    heads: JointHead | None = None,
    *,
    labelled: bool = True,
    trials: Trials | None = None,
) -> DataSplits:
    """Opens the fetched data set in `folder` for models like `a`, or with one head for all parents.

    labelled: whether rows without labels are refused. trials: what a merge on it tries, if it is
    for one.
    Raises: DataError, LabelError; RecipeError, if no task accepts `a`.
    """
    wanted = recipe.dataset
    assert wanted is not None
    task = require_task(a.config, a.source.ref)
    measure = require_measure([(a.config, a.source.ref)])
    data = open_data(
        folder,
        ref=wanted.id,
        config=wanted.config,
        split=wanted.split,
        calibration_split=wanted.calibration_split,
        columns=DataColumns(
            image=wanted.image_column,
            feature=wanted.feature_column,
            label=wanted.label_column,
            text=wanted.text_column,
            pair=wanted.pair_column,
            negative=wanted.negative_column,
            audio=wanted.audio_column,
            inputs=task.inputs,
            answers=measure.answers,
            labelled=labelled,
            labels=tuple(label for _, label in sorted(a.id2label.items())),
        ),
        within=_links_within(Path(folder)),
    )
    reading = task.read(
        data,
        ReadFor(
            model=a.model,
            statistics=measure.statistics(a.config),
            answers=measure.answers,
            processor=a.processor,
            tokenizer=a.tokenizer,
            folder=a.folder,
            labels=a.id2label,
            by_index=recipe.align_labels == "index",
            tokens=wanted.tokens,
            prompt=wanted.prompt,
            heads=heads,
        ),
    )
    rows = choose_rows(data, samples=recipe.samples, calibration_samples=recipe.calibration_samples)
    evaluation, copied = without_copies(data, rows.evaluation, LEAST_ROWS)
    rows = replace(rows, evaluation=evaluation)
    calibration = reading.batches(rows.calibration, False)
    if data.image_column is not None:
        refuse_size(reading.batches(rows.evaluation, False), a.model, wanted.id)
    learning = refining = calibration
    notes = [*rows.notes, *filter(None, [copied])]
    used = len(rows.calibration)

    def more(wanted: int) -> RowSet:
        return learning_rows(
            data, rows, wanted, samples=recipe.samples, asked=recipe.calibration_samples
        )

    if (learner := learners().get(recipe.match)) is not None:
        learned = more(learner.rows_for(recipe.learning_steps))
        learning, used = reading.batches(learned, learner.labelled), max(used, len(learned))
        notes.append(f'{len(learned):,} rows of split "{learned.split}" were learned from')
    if trials is not None and trials.refine_samples > len(rows.calibration):
        refined = more(trials.refine_samples)
        if len(refined) > len(rows.calibration):
            refining, used = reading.batches(refined, False), max(used, len(refined))
            notes.append(f'{len(refined):,} rows of split "{refined.split}" were refined on')
    training = None
    if recipe.train_samples is not None:
        trained, again = training_rows(data, recipe.train_samples, used)
        training = TrainingRows(rows=trained, used=again, batches=reading.measured(trained))
    validation = reading.measured(rows.validation)
    watched = validation if reading.by_row is None else reading.batches(rows.validation, True)
    return DataSplits(
        data=data,
        rows=rows,
        reading=reading,
        calibration=calibration,
        validation=validation,
        evaluation=reading.measured(rows.evaluation),
        learning=learning,
        refining=refining,
        watched=watched,
        notes=(*notes, *reading.notes),
        training=training,
    )
