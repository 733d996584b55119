"""The part of a report about methods: matching, fusion, repair, and what was tried."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence

from hubmerge.derivation.ensure import ensure_spec
from hubmerge.fuse.varying import weighs
from hubmerge.hub.loaded_model import LoadedModel
from hubmerge.matching.alignment_files import matched_roles
from hubmerge.matching.result import Match
from hubmerge.pipeline.fusion_record import fusion_record
from hubmerge.pipeline.refine import why_not_refined
from hubmerge.pipeline.refinement_record import refinement_record
from hubmerge.pipeline.report_limits import unrepaired
from hubmerge.pipeline.results import RunResults
from hubmerge.pipeline.survey import SurveyResults
from hubmerge.recipe import PASSTHROUGH
from hubmerge.reporting.effort import effort_record
from hubmerge.reporting.schema.method import Attempt, DerivedSpec, MethodRecord, SpaceRecord
from hubmerge.reporting.schema.plugins import used_plugins
from hubmerge.specs.derived import DerivedRecord

SPEC_FILE = "derived-spec.toml"
"""A derived spec, in the folder of the merge that was made with it."""


def method_of(results: RunResults) -> MethodRecord:
    """What was done to the parents, and what of it came from plugins."""
    method = _method(results)
    return method.model_copy(
        update={"plugins": used_plugins(_names(method, results.surveys, results.merge)) or None}
    )


def _names(
    method: MethodRecord, surveyed: SurveyResults | None, merge: LoadedModel
) -> Iterator[tuple[str, str | None]]:
    """Every registry that was used, with the name that was used in it."""
    surveys = surveyed.surveys if surveyed else None
    yield "matchers", method.match
    yield from (("matchers", trial.match) for trial in method.tried)
    yield "multi_matchers", method.multi_match
    yield "fusions", method.fuse
    yield from (("fusions", trial.fuse) for trial in method.fusions_tried or ())
    yield "repairs", method.repair
    yield "families", method.family
    yield "tasks", merge.task.name if merge.task else None
    yield "curves", surveys.path.curve if surveys and surveys.path else None


def _method(results: RunResults) -> MethodRecord:
    matches, recipe, fused = results.alignment.matches, results.run.recipe, results.fused
    repair = None if results.sets_statistics else results.alignment.repair
    weighed, stacks = weighs(recipe.fuse_options), fused.fusion.name == PASSTHROUGH
    found = next((match for match in matches if match.spaces), None)
    return MethodRecord(
        effort=effort_record(
            recipe.effort,
            results.run.methods.trials,
            why_not_refined(results.run, results.inputs),
        ),
        family=matches[0].spec.family if matches else None,
        spec=_derived(results),
        match=found.method if found else "none",
        multi_match=_multi_match(results),
        spaces=_spaces(results),
        repair=repair.name if repair else "none",
        refine=refinement_record(results),
        lam=None if recipe.mixture is not None or weighed or stacks else fused.lam,
        weights=recipe.mixture if fused.fusion.weighs and not weighed else None,
        lam_chosen="on validation rows" if fused.lam_chosen else "given",
        seed=recipe.seed,
        tried=[
            Attempt(**dataclasses.asdict(trial), way=trial.description)
            for trial in results.alignment.trials
        ],
        outcome="; ".join(dict.fromkeys(match.outcome for match in matches)) or None,
        unrepaired=unrepaired(results),
        **fusion_record(
            fused,
            results.run.methods.subset.of_model(results.inputs.models[0].model),
            recipe.fuse_options,
            len(recipe.models),
        ),
    )


def _derived(results: RunResults) -> DerivedSpec | None:
    """What there is to say of the spec, where it was derived."""
    record = derived_record(results.alignment.matches, results.inputs.parents.a)
    if record is None:
        return None
    return DerivedSpec(
        summary=record.summary,
        deviation=record.deviation,
        movable=record.movable,
        file=SPEC_FILE,
        sha256=record.sha256,
    )


def derived_record(matches: Sequence[Match], a: LoadedModel) -> DerivedRecord | None:
    """How the spec that was used was derived; None for a reviewed one, or without a match.

    a: the first parent.
    """
    return ensure_spec(a.model) if matches else None


def _multi_match(results: RunResults) -> str | None:
    """How more than two models were matched, if they were matched here."""
    recipe = results.run.recipe
    if recipe.mixture is None or not results.alignment.matches or recipe.alignment:
        return None
    return results.run.methods.multi_match


def _spaces(results: RunResults) -> list[SpaceRecord]:
    matches, several = results.alignment.matches, results.run.recipe.mixture is not None
    parents = matched_roles(len(matches), based=results.based)
    return [
        SpaceRecord(
            parent=role if several or results.based else None,
            space=space.space,
            kind=space.kind,
            size=space.size,
            gain=space.gain,
            correlation=space.correlation,
            moved=space.moved,
        )
        for role, match in zip(parents, matches, strict=True)
        for space in match.spaces
    ]
