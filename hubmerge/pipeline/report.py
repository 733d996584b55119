"""From everything a run found to the typed report: nothing is computed here, only told."""

from __future__ import annotations

import dataclasses
import datetime
import importlib.metadata
import platform
from dataclasses import dataclass
from typing import Any

import torch

import hubmerge
from hubmerge.data.rows import RowSet as Rows
from hubmerge.fuse import Fused, Fusion
from hubmerge.fuse.laws import ENDS
from hubmerge.hub.compare import has_classes
from hubmerge.hub.load import LoadedModel
from hubmerge.hub.source import Source
from hubmerge.matching import Match
from hubmerge.matching.alignment_files import matched_roles
from hubmerge.models.images import image_size
from hubmerge.models.joint_head import Heads
from hubmerge.pipeline.auto_fuse import Trial
from hubmerge.pipeline.auto_match import Attempt
from hubmerge.pipeline.choices import resolved_multi_match
from hubmerge.pipeline.evaluate import DataSplits, Evaluation
from hubmerge.pipeline.fusing import part_of
from hubmerge.pipeline.fusion_record import fusion_record
from hubmerge.pipeline.label_coverage import heads_record
from hubmerge.pipeline.save import merged_dtype
from hubmerge.planning.plan import ModelPlan, Plan
from hubmerge.recipe import Recipe
from hubmerge.repair import Repair, batch_norms
from hubmerge.reporting.label_coverage import partial
from hubmerge.reporting.schema import report as schema
from hubmerge.reporting.schema.barriers import OnTraining
from hubmerge.reporting.verdict import judge
from hubmerge.reporting.words import words_for
from hubmerge.surveys.of_merge import LandscapeResults
from hubmerge.tasks.task import task_of
from hubmerge.utils.parent_names import listed, roles, told

LIBRARIES = ("torch", "transformers", "huggingface_hub", "accelerate", "datasets", "numpy", "scipy")


@dataclass(frozen=True)
class RunResults:
    """What a run found."""

    recipe: Recipe
    method: str
    plan: Plan
    dataset: Source | None
    parents: tuple[LoadedModel, ...]
    base: LoadedModel | None
    merge: LoadedModel
    matches: tuple[Match, ...]
    tried: tuple[Attempt, ...]
    fusion: Fusion
    made: Fused
    trials: tuple[Trial, ...]
    repair: Repair | None
    lam: float
    lam_chosen: bool
    splits: DataSplits | None
    evaluation: Evaluation | None
    around: LandscapeResults | None = None
    heads: Heads | None = None


def tell(
    results: RunResults, weights: dict[str, str], seconds: dict[str, float], machine: dict[str, Any]
) -> schema.Report:
    """The report. weights: file -> sha256; machine: what did the work."""
    evaluation = results.evaluation
    unmeasured = dict.fromkeys(roles("parent", len(results.parents)), schema.Contender())
    scores = evaluation.scores if evaluation else {}
    contenders = schema.Contenders.model_validate({**unmeasured, **scores})
    comparisons = evaluation.comparisons if evaluation else []
    heads = None
    if results.heads is not None:
        heads = heads_record(results.heads, evaluation.known if evaluation else ())
    verdict = judge(
        contenders,
        comparisons,
        unit=_unit(results),
        finite=evaluation.finite if evaluation else True,
        words=words_for(task_of(results.merge.model.config).name),
        remark=partial(heads.labels, heads.known_by) if heads else "",
    )
    return schema.Report(
        verdict=verdict.name,
        verdict_sentence=verdict.sentence,
        n=results.splits.evaluation.rows if results.splits else 0,
        models=[
            _parent(model, planned)
            for model, planned in zip(results.parents, results.plan.models, strict=True)
        ],
        base=_base(results),
        merged=_merged(results),
        heads=heads,
        contenders=contenders,
        comparisons=comparisons,
        barrier=schema.Barriers.of(
            naive=evaluation.naive if evaluation else None,
            matched=evaluation.matched if evaluation else None,
            training=_training(results),
        ),
        surveys=results.around.surveys if results.around else None,
        method=_method(results),
        data=_data(results),
        limits=_limits(results),
        licence=schema.Licence(**results.plan.licence.model_dump()),
        weights_sha256=weights,
        run=_run(seconds, machine),
    )


def _training(results: RunResults) -> OnTraining | None:
    training = results.splits.training if results.splits else None
    if training is None or results.evaluation is None or results.evaluation.on_training is None:
        return None
    naive, matched = results.evaluation.on_training
    return OnTraining.of(_all_rows(training.rows), training.used, naive=naive, matched=matched)


def _unit(results: RunResults) -> str:
    return "images" if results.splits is None else results.splits.reading.unit


def _dtype(dtype: torch.dtype) -> str:
    return str(dtype).removeprefix("torch.")


def _parent(model: LoadedModel, planned: ModelPlan) -> schema.Parent:
    source, licences = model.source, planned.licenses
    return schema.Parent(
        id=source.id,
        sha=source.sha,
        revision=source.revision,
        kind=source.kind,
        license=licences[0] if len(licences) == 1 else (licences or None),
        dtype=_dtype(model.dtype),
        parameters=planned.parameters,
    )


def _base(results: RunResults) -> schema.Parent | None:
    if results.base is None or results.plan.base is None:
        return None
    return _parent(results.base, results.plan.base)


def _merged(results: RunResults) -> schema.Merged:
    model = results.merge.model
    task = task_of(model.config)
    prepared = results.merge.processor or results.merge.tokenizer
    return schema.Merged(
        model_type=model.config.model_type,
        architecture=type(model).__name__,
        auto_class=task.auto_class,
        auto_processor=task.auto_processor if prepared is not None else None,
        pipeline_tag=task.name,
        dtype=_dtype(merged_dtype(results.parents)),
        parameters=sum(parameter.numel() for parameter in model.parameters()),
        labels=list(results.merge.id2label.values()) if has_classes(model.config) else [],
    )


def _method(results: RunResults) -> schema.Method:
    matches, mixture = results.matches, results.recipe.mixture
    many = mixture is not None
    found = next((match for match in matches if match.spaces), None)
    return schema.Method(
        family=matches[0].spec.family if matches else None,
        match=found.method if found else "none",
        multi_match=_multi_match(results),
        **fusion_record(results.recipe, results.fusion, results.made, results.trials),
        repair=results.repair.name if results.repair and not _sets_statistics(results) else "none",
        lam=None if many else results.lam,
        weights=mixture if results.fusion.weighs else None,
        lam_chosen="on validation rows" if results.lam_chosen else "given",
        seed=results.recipe.seed,
        tried=[
            schema.Attempt(**dataclasses.asdict(attempt), way=attempt.told)
            for attempt in results.tried
        ],
        outcome="; ".join(dict.fromkeys(match.outcome for match in matches)) or None,
        spaces=[
            schema.SpaceMatch(
                parent=role if many or results.base is not None else None,
                space=space.space,
                kind=space.kind,
                size=space.size,
                gain=space.gain,
                correlation=space.correlation,
                moved=space.moved,
            )
            for role, match in zip(
                matched_roles(len(matches), based=results.base is not None), matches, strict=True
            )
            for space in match.spaces
        ],
        unrepaired=_unrepaired(results),
    )


def _multi_match(results: RunResults) -> str | None:
    """How more than two models were matched, if they were here."""
    if results.recipe.mixture is None or not results.matches or results.recipe.alignment:
        return None
    return resolved_multi_match(results.recipe)


def _sets_statistics(results: RunResults) -> bool:
    """Whether the fusion measures statistics itself, so that nothing is repaired after it."""
    return results.fusion.sets_statistics


def _is_a_parent(results: RunResults) -> bool:
    """Whether the merge is one of the parents, so that nothing in it wants repair."""
    given = results.recipe.mixture or [1 - results.lam, results.lam]
    weights = results.made.weights or (given if ENDS in results.fusion.laws else ())
    return 1.0 in weights and part_of(results.recipe).whole


def _unrepaired(results: RunResults) -> str | None:
    if results.repair is not None or _sets_statistics(results) or _is_a_parent(results):
        return None
    norms = len(batch_norms(results.parents[0].model))
    if norms:
        why = _without_rows(results) or "no repair was wanted"
        if results.recipe.repair == "none":
            why = "no repair was wanted"
        elif results.recipe.repair == "auto" and _sees_images(results):
            why += ", and no synthetic images can be made for them"
        return (
            f"The running statistics of {norms} batch-norm layers are averages of the parents', "
            f"which do not fit the merged weights: {why}."
        )
    return None


def _sees_images(results: RunResults) -> bool:
    return results.parents[0].model.main_input_name == "pixel_values"


def _without_rows(results: RunResults) -> str | None:
    """Why there were no calibration rows; None where there were some."""
    if results.splits is None:
        return "no data was given"
    if results.splits.calibration.rows:
        return None
    return "no calibration rows were left or asked for"


def _data(results: RunResults) -> schema.Data | None:
    splits, source = results.splits, results.dataset
    if splits is None or source is None:
        return None
    data = splits.data
    return schema.Data(
        id=source.id,
        sha=source.sha,
        revision=source.revision,
        kind=source.kind,
        config=data.config,
        unit=_unit(results),
        columns=splits.reading.columns,
        calibration=_rows(splits.rows.calibration),
        validation=_rows(splits.rows.validation),
        evaluation=_all_rows(splits.rows.evaluation),
        notes=list(splits.notes),
    )


def _rows(rows: Rows) -> schema.RowSet | None:
    return _all_rows(rows) if len(rows) else None


def _all_rows(rows: Rows) -> schema.RowSet:
    return schema.RowSet(
        split=rows.split,
        rows=len(rows),
        available=rows.available,
        fingerprint=rows.fingerprint,
    )


def _limits(results: RunResults) -> list[str]:
    limits = []
    if results.evaluation is None:
        limits.append("Nothing was measured: no data set was given.")
    else:
        limits.append(
            f"Measured on {results.splits.evaluation.rows:,} {_unit(results)} of one data set; "
            "other data may rank the contenders differently."
            if results.splits
            else ""
        )
    without = _without_rows(results)
    if without is not None and (results.repair is not None or _sets_statistics(results)):
        what = "Layers were fitted" if _sets_statistics(results) else "Batch norm was re-estimated"
        size = image_size(results.parents[0].config, results.parents[0].processor)
        limits.append(
            f"{what} on synthetic images{f' of {size[0]} x {size[1]}' if size else ''}, because "
            f"{without}; real images would fit better."
        )
    if unrepaired := _unrepaired(results):
        limits.append(unrepaired)
    dtypes = [_dtype(parent.dtype) for parent in results.parents]
    if len(set(dtypes)) > 1:
        limits.append(
            f"The parents are stored in {listed(dtypes)}; "
            f"the merge is stored in {_dtype(merged_dtype(results.parents))}."
        )
    if not results.matches:
        limits.append(f"Nothing was matched: {_unmatched(results)}.")
    if 1.0 in (own := results.made.weights or ()) and part_of(results.recipe).whole:
        alone = told(roles("parent", len(own))[own.index(1.0)])
        rows = ", with the others' rows for what it does not know" if results.heads else ""
        limits.append(
            f"{results.fusion.name} took in {alone} alone: the merge is that model{rows}."
        )
    if results.heads is not None and results.evaluation is not None:
        limits.append(
            "The ends of the curve are no untouched parents: each has been given the others' rows "
            "for what it does not know."
        )
    if not _lies_on_the_path(results) and results.evaluation is not None:
        limits.append(
            "The curve is that of the straight path between the aligned parents (repair "
            f"{results.repair.name if results.repair else 'none'}), on which "
            f"{results.fusion.name} does not end: the barrier says how well they were matched, not "
            "how good this merge is."
        )
    return [*limits, *(results.around.unseen if results.around else ())]


def _unmatched(results: RunResults) -> str:
    """Why the parents were taken as they came."""
    if results.tried:
        return "validation rows favoured the order in which the parents' units came"
    if results.recipe.match == "none":
        return "the parents' units were taken in the order they came"
    if results.base is not None:
        return "all parents lie in the basin of their base, whose order of units they have"
    return "checkpoints of one run have one order of units"


def _lies_on_the_path(results: RunResults) -> bool:
    return results.fusion.linear and part_of(results.recipe).whole


def _run(seconds: dict[str, float], machine: dict[str, Any]) -> schema.Run:
    versions = {"hubmerge": hubmerge.__version__, "python": platform.python_version()}
    versions |= {name: importlib.metadata.version(name) for name in LIBRARIES}
    now = datetime.datetime.now(datetime.UTC).replace(microsecond=0)
    return schema.Run(date=now.isoformat(), seconds=dict(seconds), versions=versions, **machine)
