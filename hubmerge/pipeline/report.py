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
from hubmerge.pipeline.choices import resolved_together
from hubmerge.pipeline.evaluate import Contest, Ground
from hubmerge.pipeline.fusing import part_of
from hubmerge.pipeline.fusion_record import told_fusion
from hubmerge.pipeline.label_coverage import told_heads
from hubmerge.pipeline.save import merged_dtype
from hubmerge.planning.plan import ModelPlan, Plan
from hubmerge.recipe import Recipe
from hubmerge.repair import Repair, batch_norms
from hubmerge.reporting.label_coverage import partial
from hubmerge.reporting.schema import report as schema
from hubmerge.reporting.schema.barriers import OnTraining
from hubmerge.reporting.verdict import judge
from hubmerge.reporting.words import words_for
from hubmerge.surveys.of_merge import Around
from hubmerge.tasks.task import task_of
from hubmerge.utils.parent_names import listed, roles, told

LIBRARIES = ("torch", "transformers", "huggingface_hub", "accelerate", "datasets", "numpy", "scipy")


@dataclass(frozen=True)
class Story:
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
    ground: Ground | None
    contest: Contest | None
    around: Around | None = None
    heads: Heads | None = None


def tell(
    story: Story, weights: dict[str, str], seconds: dict[str, float], machine: dict[str, Any]
) -> schema.Report:
    """The report. weights: file -> sha256; machine: what did the work."""
    contest = story.contest
    unmeasured = dict.fromkeys(roles("parent", len(story.parents)), schema.Contender())
    scores = contest.scores if contest else {}
    contenders = schema.Contenders.model_validate({**unmeasured, **scores})
    comparisons = contest.comparisons if contest else []
    heads = None
    if story.heads is not None:
        heads = told_heads(story.heads, contest.known if contest else ())
    verdict = judge(
        contenders,
        comparisons,
        unit=_unit(story),
        finite=contest.finite if contest else True,
        words=words_for(task_of(story.merge.model.config).name),
        remark=partial(heads.labels, heads.known_by) if heads else "",
    )
    return schema.Report(
        verdict=verdict.name,
        verdict_sentence=verdict.sentence,
        n=story.ground.evaluation.rows if story.ground else 0,
        models=[
            _parent(model, planned)
            for model, planned in zip(story.parents, story.plan.models, strict=True)
        ],
        base=_base(story),
        merged=_merged(story),
        heads=heads,
        contenders=contenders,
        comparisons=comparisons,
        barrier=schema.Barriers.of(
            naive=contest.naive if contest else None,
            matched=contest.matched if contest else None,
            training=_training(story),
        ),
        surveys=story.around.surveys if story.around else None,
        method=_method(story),
        data=_data(story),
        limits=_limits(story),
        licence=schema.Licence(**story.plan.licence.model_dump()),
        weights_sha256=weights,
        run=_run(seconds, machine),
    )


def _training(story: Story) -> OnTraining | None:
    training = story.ground.training if story.ground else None
    if training is None or story.contest is None or story.contest.on_training is None:
        return None
    naive, matched = story.contest.on_training
    return OnTraining.of(_all_rows(training.rows), training.used, naive=naive, matched=matched)


def _unit(story: Story) -> str:
    return "images" if story.ground is None else story.ground.reading.unit


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


def _base(story: Story) -> schema.Parent | None:
    if story.base is None or story.plan.base is None:
        return None
    return _parent(story.base, story.plan.base)


def _merged(story: Story) -> schema.Merged:
    model = story.merge.model
    task = task_of(model.config)
    prepared = story.merge.processor or story.merge.tokenizer
    return schema.Merged(
        model_type=model.config.model_type,
        architecture=type(model).__name__,
        auto_class=task.auto_class,
        auto_processor=task.auto_processor if prepared is not None else None,
        pipeline_tag=task.name,
        dtype=_dtype(merged_dtype(story.parents)),
        parameters=sum(parameter.numel() for parameter in model.parameters()),
        labels=list(story.merge.id2label.values()) if has_classes(model.config) else [],
    )


def _method(story: Story) -> schema.Method:
    matches, mixture = story.matches, story.recipe.mixture
    many = mixture is not None
    found = next((match for match in matches if match.spaces), None)
    return schema.Method(
        family=matches[0].spec.family if matches else None,
        match=found.method if found else "none",
        together=_together(story),
        **told_fusion(story.recipe, story.fusion, story.made, story.trials),
        repair=story.repair.name if story.repair and not _sets_statistics(story) else "none",
        lam=None if many else story.lam,
        weights=mixture if story.fusion.weighs else None,
        lam_chosen="on validation rows" if story.lam_chosen else "given",
        seed=story.recipe.seed,
        tried=[
            schema.Attempt(**dataclasses.asdict(attempt), way=attempt.told)
            for attempt in story.tried
        ],
        outcome="; ".join(dict.fromkeys(match.outcome for match in matches)) or None,
        spaces=[
            schema.SpaceMatch(
                parent=role if many or story.base is not None else None,
                space=space.space,
                kind=space.kind,
                size=space.size,
                gain=space.gain,
                correlation=space.correlation,
                moved=space.moved,
            )
            for role, match in zip(
                matched_roles(len(matches), based=story.base is not None), matches, strict=True
            )
            for space in match.spaces
        ],
        unrepaired=_unrepaired(story),
    )


def _together(story: Story) -> str | None:
    """How more than two models were brought together, if they were here."""
    if story.recipe.mixture is None or not story.matches or story.recipe.alignment:
        return None
    return resolved_together(story.recipe)


def _sets_statistics(story: Story) -> bool:
    """Whether the fusion measures statistics itself, so that nothing is repaired after it."""
    return story.fusion.sets_statistics


def _is_a_parent(story: Story) -> bool:
    """Whether the merge is one of the parents, so that nothing in it wants repair."""
    given = story.recipe.mixture or [1 - story.lam, story.lam]
    weights = story.made.weights or (given if ENDS in story.fusion.laws else ())
    return 1.0 in weights and part_of(story.recipe).whole


def _unrepaired(story: Story) -> str | None:
    if story.repair is not None or _sets_statistics(story) or _is_a_parent(story):
        return None
    norms = len(batch_norms(story.parents[0].model))
    if norms:
        why = _without_rows(story) or "no repair was wanted"
        if story.recipe.repair == "none":
            why = "no repair was wanted"
        elif story.recipe.repair == "auto" and _sees_images(story):
            why += ", and no synthetic images can be made for them"
        return (
            f"The running statistics of {norms} batch-norm layers are averages of the parents', "
            f"which do not fit the merged weights: {why}."
        )
    return None


def _sees_images(story: Story) -> bool:
    return story.parents[0].model.main_input_name == "pixel_values"


def _without_rows(story: Story) -> str | None:
    """Why there were no calibration rows; None where there were some."""
    if story.ground is None:
        return "no data was given"
    if story.ground.calibration.rows:
        return None
    return "no calibration rows were left or asked for"


def _data(story: Story) -> schema.Data | None:
    ground, source = story.ground, story.dataset
    if ground is None or source is None:
        return None
    data = ground.data
    return schema.Data(
        id=source.id,
        sha=source.sha,
        revision=source.revision,
        kind=source.kind,
        config=data.config,
        unit=_unit(story),
        columns=ground.reading.columns,
        calibration=_rows(ground.rows.calibration),
        validation=_rows(ground.rows.validation),
        evaluation=_all_rows(ground.rows.evaluation),
        notes=list(ground.notes),
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


def _limits(story: Story) -> list[str]:
    limits = []
    if story.contest is None:
        limits.append("Nothing was measured: no data set was given.")
    else:
        limits.append(
            f"Measured on {story.ground.evaluation.rows:,} {_unit(story)} of one data set; "
            "other data may rank the contenders differently."
            if story.ground
            else ""
        )
    without = _without_rows(story)
    if without is not None and (story.repair is not None or _sets_statistics(story)):
        what = "Layers were fitted" if _sets_statistics(story) else "Batch norm was re-estimated"
        size = image_size(story.parents[0].config, story.parents[0].processor)
        limits.append(
            f"{what} on synthetic images{f' of {size[0]} x {size[1]}' if size else ''}, because "
            f"{without}; real images would fit better."
        )
    if unrepaired := _unrepaired(story):
        limits.append(unrepaired)
    dtypes = [_dtype(parent.dtype) for parent in story.parents]
    if len(set(dtypes)) > 1:
        limits.append(
            f"The parents are stored in {listed(dtypes)}; "
            f"the merge is stored in {_dtype(merged_dtype(story.parents))}."
        )
    if not story.matches:
        limits.append(f"Nothing was matched: {_unmatched(story)}.")
    if 1.0 in (own := story.made.weights or ()) and part_of(story.recipe).whole:
        alone = told(roles("parent", len(own))[own.index(1.0)])
        rows = ", with the others' rows for what it does not know" if story.heads else ""
        limits.append(f"{story.fusion.name} took in {alone} alone: the merge is that model{rows}.")
    if story.heads is not None and story.contest is not None:
        limits.append(
            "The ends of the curve are no untouched parents: each has been given the others' rows "
            "for what it does not know."
        )
    if not _lies_on_the_path(story) and story.contest is not None:
        limits.append(
            "The curve is that of the straight path between the aligned parents (repair "
            f"{story.repair.name if story.repair else 'none'}), on which "
            f"{story.fusion.name} does not end: the barrier says how well they were matched, not "
            "how good this merge is."
        )
    return [*limits, *(story.around.unseen if story.around else ())]


def _unmatched(story: Story) -> str:
    """Why the parents were taken as they came."""
    if story.tried:
        return "validation rows favoured the order in which the parents' units came"
    if story.recipe.match == "none":
        return "the parents' units were taken in the order they came"
    if story.base is not None:
        return "all parents lie in the basin of their base, whose order of units they have"
    return "checkpoints of one run have one order of units"


def _lies_on_the_path(story: Story) -> bool:
    return story.fusion.linear and part_of(story.recipe).whole


def _run(seconds: dict[str, float], machine: dict[str, Any]) -> schema.Run:
    versions = {"hubmerge": hubmerge.__version__, "python": platform.python_version()}
    versions |= {name: importlib.metadata.version(name) for name in LIBRARIES}
    now = datetime.datetime.now(datetime.UTC).replace(microsecond=0)
    return schema.Run(date=now.isoformat(), seconds=dict(seconds), versions=versions, **machine)
