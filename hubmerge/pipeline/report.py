"""Report: everything that the steps found as one typed object, and the files made from it."""

from __future__ import annotations

import datetime
import importlib.metadata
import math
import platform
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

import hubmerge
from hubmerge.data.rows import RowSet as Rows
from hubmerge.data.sentence_modules import LIBRARY, MODULES
from hubmerge.data.splits import DataSplits, TrainingRows
from hubmerge.evaluation.label_coverage import LabelCoverage
from hubmerge.evaluation.results import Curve
from hubmerge.fuse.subset import Subset
from hubmerge.hub.loaded_model import LoadedModel
from hubmerge.hub.processors import auto_processor
from hubmerge.hub.source import Source
from hubmerge.matching.alignment_files import FOLDER, save_matches
from hubmerge.models.joint_head import JointHead
from hubmerge.pipeline.accounting import account
from hubmerge.pipeline.report_limits import dtype_name, limits_of
from hubmerge.pipeline.report_method import SPEC_FILE, derived_record, method_of
from hubmerge.pipeline.results import RunResults
from hubmerge.pipeline.sources import remember_folders
from hubmerge.pipeline.vocabulary_record import vocabulary_record
from hubmerge.planning.plan import ModelPlan
from hubmerge.recipe import ARITHMETIC, NO_PATH, RECIPE_FILE
from hubmerge.reporting.label_coverage import partial
from hubmerge.reporting.refined import added_nothing
from hubmerge.reporting.schema.barriers import Barriers, OnTraining
from hubmerge.reporting.schema.base import RowSetRecord
from hubmerge.reporting.schema.contenders import Contender, Contenders
from hubmerge.reporting.schema.heads import HeadsRecord, Known
from hubmerge.reporting.schema.merged import MergedRecord
from hubmerge.reporting.schema.method import StageRecord
from hubmerge.reporting.schema.parents import AdapterRecord, ParentRecord
from hubmerge.reporting.schema.report import DataRecord, Licence, Report, RunRecord
from hubmerge.reporting.schema.vocabulary import VocabularyRecord
from hubmerge.reporting.verdict import judge
from hubmerge.reporting.write import write_report as write_report_files
from hubmerge.tasks import DEFAULT_TOLERANCES, DEFAULT_WORDS, has_classes, hub_names, why_unmeasured
from hubmerge.utils.parent_names import roles

LIBRARIES = ("torch", "transformers", "huggingface_hub", "accelerate", "datasets", "numpy", "scipy")


def write_report(results: RunResults, folder: Path, seconds: Mapping[str, float]) -> Report:
    """Writes alignment, recipe, report and card beside the weights in `folder`.

    seconds: wall time per stage.
    """
    run, matches = results.run, results.alignment.matches
    if matches:
        place = folder / FOLDER if len(matches) > 1 else folder
        save_matches(matches, place, based=results.based)
    derived = derived_record(matches, results.inputs.parents.a)
    if derived is not None:
        (folder / SPEC_FILE).write_text(derived.text, encoding="utf-8")
    (folder / RECIPE_FILE).write_text(run.written.to_yaml(), encoding="utf-8")
    remember_folders(run.sources)
    report = build_report(results, results.saved.hashes, seconds, run.workers.describe())
    write_report_files(report, folder, run.destination.push)
    return report


def build_report(
    results: RunResults,
    weights: Mapping[str, str],
    seconds: Mapping[str, float],
    machine: Mapping[str, Any],
) -> Report:
    """The report. weights: file -> sha256; machine: what did the work."""
    evaluation, splits = results.evaluation, results.inputs.splits
    unmeasured = dict.fromkeys(roles("parent", len(results.inputs.models)), Contender())
    contenders = Contenders.model_validate(
        {**unmeasured, **(evaluation.scores if evaluation else {})}
    )
    comparisons = list(evaluation.comparisons) if evaluation else []
    heads = None
    if results.inputs.heads is not None:
        heads = _heads(results.inputs.heads, evaluation.label_coverage if evaluation else ())
    merge, task, method = results.merge.model, results.merge.task, method_of(results)
    refined = method.refine
    by_columns = splits.reading.measure if splits else None
    measure = task.measure_on(merge.config, by_columns) if task else None
    verdict = judge(
        contenders,
        comparisons,
        unit=results.unit,
        finite=evaluation.finite if evaluation else True,
        words=measure.words if measure else DEFAULT_WORDS,
        tolerances=measure.tolerances if measure else DEFAULT_TOLERANCES,
        unmeasured=why_unmeasured(task, type(merge).__name__),
        remark=partial(heads.labels, heads.known_by)
        if heads
        else added_nothing(
            contenders,
            comparisons,
            refined.parent if refined else None,
            words=measure.words if measure else DEFAULT_WORDS,
            handed_out=bool(refined and refined.handed_out),
        ),
    )
    return Report(
        verdict=verdict.name,
        verdict_sentence=verdict.sentence,
        n=splits.evaluation.rows if splits else 0,
        models=[
            _parent(model, planned)
            for model, planned in zip(results.inputs.models, results.plan.models, strict=True)
        ],
        base=_base(results.inputs.alignment.base, results.plan.base),
        stages=[_stage(name, report) for name, report in results.stages.items()] or None,
        merged=_merged(
            results.merge,
            results.inputs.models[0],
            dtype=results.dtype,
            subset=results.run.methods.subset,
            left=frozenset() if results.is_refined else results.fused.fused.kept,
            vocabulary=vocabulary_record(results.run.sources.vocabulary),
            by_columns=by_columns,
        ),
        heads=heads,
        contenders=contenders,
        comparisons=comparisons,
        barrier=Barriers.of(
            naive=evaluation.naive if evaluation else None,
            matched=evaluation.matched if evaluation else None,
            training=_training(splits.training if splits else None, results.training_curves),
            left_out=evaluation is not None and results.run.recipe.path == NO_PATH,
        ),
        surveys=results.surveys.surveys if results.surveys else None,
        benchmarks=list(results.benchmarks) or None,
        samples=list(results.samples) or None,
        data=_data(splits, results.run.sources.dataset, results.unit),
        method=method,
        limits=limits_of(results),
        licence=Licence(**results.plan.licence.model_dump()),
        weights_sha256=dict(weights),
        run=_run(seconds, _trial_seconds(results), machine),
    )


def _stage(name: str, report: Report) -> StageRecord:
    return StageRecord(
        name=name,
        models=report.models,
        base=report.base,
        method=report.method,
        dtype=report.merged.dtype,
        vocabulary=report.merged.vocabulary,
    )


def _heads(heads: JointHead, coverage: Sequence[LabelCoverage]) -> HeadsRecord:
    """The part on label sets; no scores where nothing was measured."""
    return HeadsRecord(
        kind=heads.kind,
        labels=len(heads.labels),
        outputs=len(heads.outputs),
        shared=heads.shared,
        known_by=[len(heads.labels_of(parent)) for parent in range(len(heads.rows))],
        known=[
            Known(
                parent=each.parent,
                labels=each.labels,
                rows=each.rows,
                accuracy={name: found.accuracy for name, found in each.scores.items()},
                loss={
                    name: found.loss
                    if found.loss is not None and math.isfinite(found.loss)
                    else None
                    for name, found in each.scores.items()
                },
            )
            for each in coverage
        ],
    )


def _training(
    training: TrainingRows | None, curves: tuple[Curve, Curve] | None
) -> OnTraining | None:
    if training is None or curves is None:
        return None
    naive, matched = curves
    return OnTraining.of(_all_rows(training.rows), training.used, naive=naive, matched=matched)


def _parent(model: LoadedModel, planned: ModelPlan) -> ParentRecord:
    source, licences = model.source, planned.licenses
    return ParentRecord(
        id=source.id,
        sha=source.sha,
        revision=source.revision,
        kind="stage" if source.is_stage else source.kind,
        license=licences[0] if len(licences) == 1 else (licences or None),
        dtype=dtype_name(model.dtype),
        parameters=planned.parameters,
        papers=planned.papers or None,
        collections=planned.collections or None,
        adapters=[
            AdapterRecord(id=each.id, sha=each.sha, revision=each.revision, kind=each.kind)
            for each in source.adapters
        ]
        or None,
        layers=None if source.layers is None else list(source.layers),
        quantised=source.quantised,
    )


def _base(base: LoadedModel | None, planned: ModelPlan | None) -> ParentRecord | None:
    return None if base is None or planned is None else _parent(base, planned)


def _merged(
    merge: LoadedModel,
    a: LoadedModel,
    *,
    dtype: torch.dtype,
    subset: Subset,
    left: Collection[str],
    vocabulary: VocabularyRecord | None,
    by_columns: str | None,
) -> MergedRecord:
    model = merge.model
    names = hub_names(model.config)
    embeds = (merge.folder / MODULES).is_file()
    return MergedRecord(
        model_type=model.config.model_type,
        architecture=type(model).__name__,
        task=names.task,
        measure=by_columns or names.measure,
        auto_class=names.auto_class,
        auto_processor=auto_processor(merge),
        pipeline_tag="sentence-similarity" if embeds else names.pipeline_tag,
        library=LIBRARY if embeds else None,
        dtype=dtype_name(dtype),
        parameters=sum(parameter.numel() for parameter in model.parameters()),
        labels=list(merge.id2label.values()) if has_classes(model.config) else [],
        tensors=account(model, a.stored, subset.of_model(model), left=left),
        vocabulary=vocabulary,
    )


def _data(splits: DataSplits | None, source: Source | None, unit: str) -> DataRecord | None:
    if splits is None or source is None:
        return None
    data = splits.data
    return DataRecord(
        id=source.id,
        sha=source.sha,
        revision=source.revision,
        kind=source.kind,
        config=data.config,
        unit=unit,
        columns=splits.reading.columns,
        calibration=_rows(splits.rows.calibration),
        validation=_rows(splits.rows.validation),
        evaluation=_all_rows(splits.rows.evaluation),
        notes=list(splits.notes),
    )


def _rows(rows: Rows) -> RowSetRecord | None:
    return _all_rows(rows) if len(rows) else None


def _all_rows(rows: Rows) -> RowSetRecord:
    return RowSetRecord(
        split=rows.split,
        rows=len(rows),
        available=rows.available,
        fingerprint=rows.fingerprint,
    )


def _trial_seconds(results: RunResults) -> dict[str, float] | None:
    """What was tried -> how long making it took; None where nothing was."""
    fused = results.fused
    found = {f"fuse {trial.fusion.name}": trial.seconds for trial in fused.trials}
    if (refinement := fused.refinement) is not None:
        found["refine merge"] = refinement.merge.seconds
        if refinement.refined_parent is not None:
            found["refine parent"] = refinement.refined_parent.seconds
    return found or None


def _run(
    seconds: Mapping[str, float],
    trials: dict[str, float] | None,
    machine: Mapping[str, Any],
) -> RunRecord:
    versions = {"hubmerge": hubmerge.__version__, "python": platform.python_version()}
    versions |= {name: importlib.metadata.version(name) for name in LIBRARIES}
    now = datetime.datetime.now(datetime.UTC).replace(microsecond=0)
    return RunRecord(
        date=now.isoformat(),
        seconds=dict(seconds),
        trials=trials,
        versions=versions,
        arithmetic=ARITHMETIC,
        **machine,
    )
