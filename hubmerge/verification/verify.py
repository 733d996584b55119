"""The order of things when a merge is checked: list, load, find sources, measure, make again."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from hubmerge.errors import (
    CanonicalError,
    DataError,
    FamilyError,
    HubmergeError,
    LabelError,
    LawError,
    MismatchError,
    RecipeError,
    SpecError,
    WeightsError,
)
from hubmerge.hub.destination import Destination
from hubmerge.hub.load import load
from hubmerge.hub.loaded_model import LoadedModel
from hubmerge.hub.pace import without_xet
from hubmerge.pipeline.merge_result import MergeResult
from hubmerge.pipeline.run import run
from hubmerge.recipe import ARITHMETIC, DATASET, Recipe
from hubmerge.reporting.pictures import PICTURES
from hubmerge.reporting.schema.plugins import missing_plugins
from hubmerge.reporting.schema.report import Report
from hubmerge.utils.checked_calls import checked
from hubmerge.utils.model_refs import folder_ref
from hubmerge.utils.workers import Workers
from hubmerge.verification.claims import CARD, check_claims
from hubmerge.verification.derived_spec import certify_again, check_spec_file, spec_of_merge
from hubmerge.verification.download import Merge, fetch_merge, is_result, list_merge
from hubmerge.verification.files import check_files, check_hashes
from hubmerge.verification.levels import (
    Estimate,
    Wanted,
    estimate_loading,
    estimate_measuring,
    estimate_remaking,
    levels_to,
)
from hubmerge.verification.limits import too_much_work
from hubmerge.verification.plugins import needs, other_versions
from hubmerge.verification.processors import another_processor, unlike
from hubmerge.verification.published import FIGURES, load_published, measure_published
from hubmerge.verification.recorded import (
    check_said_twice,
    check_sources,
    recorded,
    replay,
    roles_in_memory,
)
from hubmerge.verification.remade import (
    BENCHMARKS,
    PLAIN,
    check_report,
    check_weights,
    measured_parts,
    not_checked,
)
from hubmerge.verification.result import Check, Outcome, Verification, worst
from hubmerge.verification.settings import check_settings
from hubmerge.verification.sources import FoundSources, look_for
from hubmerge.verification.steering import check_steering, rows_for

IMPOSSIBLE = (DataError, LabelError, MismatchError, WeightsError)
"""What shows that a merge cannot have been made from what it says."""
NO_SPEC = (CanonicalError, FamilyError, LawError, SpecError)
"""What shows that the derived spec beside the weights is none of these parents."""
NO_HARNESS = "lm-evaluation-harness is not installed"
ILL_ALIGNED = (CanonicalError, LawError, RecipeError)
"""What shows that the alignment beside the weights is none of these parents."""


@dataclass
class _Remade:
    """What making it again has shown."""

    checks: list[Check] = field(default_factory=list)
    report: Report | None = None


@dataclass(frozen=True)
class _Asked:
    """What the verifying user asked for."""

    level: Wanted
    weights_only: bool
    workers: Workers
    announce: Callable[[Estimate], None]


@checked
@without_xet()
def verify(
    ref: str | Path,
    *,
    level: Wanted = "all",
    weights_only: bool = False,
    trust_remote_code: bool = False,
    folders: Mapping[str, Any] | None = None,
    workers: Workers | None = None,
    announce: Callable[[Estimate], None] | None = None,
) -> Verification:
    """Checks a published merge: a Hub id, `id@revision`, or the folder it was published from.

    What stock code loads from it is compared with the hashes that it states; its weights are
    measured again; and it is made again from what it records, and compared. Nothing that is made is
    kept, nothing is uploaded, and of this machine nothing is read but what is found by its content.

    Parameters:
        level: how far to go: "load", "measure", or "remake", which is "all".
        weights_only: without any data: nothing is measured, and weights for which data was looked
            at are made again by the alignment that lies beside them.
        trust_remote_code: run Python code that comes with the models.
        folders: where folders lie that it was made from: name, or role such as "model_b", -> path.
        announce: is told what each level will take before it begins.

    Raises: NotFoundError, if it is no merge; RecipeError, RemoteCodeError, HubUnavailableError,
    ResourceError. What does not hold is in the result; `Verification.require` raises it.
    """
    ref = folder_ref(ref) if isinstance(ref, Path) else ref
    workers = workers or Workers()
    asked = _Asked(level, weights_only, workers, announce or (lambda estimate: None))
    listed = workers.on_main(lambda: list_merge(ref))
    asked.announce(workers.on_main(lambda: estimate_loading(listed)))
    merge = workers.on_main(lambda: fetch_merge(listed))
    on_files = workers.on_main(
        lambda: [
            *merge.wrong,
            *check_sources(merge.recipe, merge.report),
            *check_said_twice(merge.recipe, merge.report),
            *check_hashes(merge),
            *check_spec_file(merge),
        ]
    )
    said, remarks = workers.on_main(lambda: _claims(merge))
    model, loaded = None, list[Check]()
    if merge.weights:
        model, loaded = load_published(merge, trust_remote_code=trust_remote_code)
    wanted = recorded(merge.recipe, merge.report, merge.folder, trust_remote_code=trust_remote_code)
    found, more = FoundSources({}, []), _Remade()
    if wanted is not None and model is not None:
        recipe = wanted
        given = {name: str(place) for name, place in (folders or {}).items()}
        unseen = roles_in_memory(merge.report)
        found = workers.on_main(lambda: look_for(recipe, given, unseen))
        more = _further(merge, recipe, model, found, asked)
    elif level != "load":
        why = "what stock code loads, or the sources of the merge, are not as they have to be"
        more = _Remade(not_checked(_everything(merge, asked), why))
    checks = [*on_files, *loaded, *said, *more.checks]
    return Verification(
        merge=ref,
        sha=merge.source.sha,
        level=levels_to(level)[-1],
        weights_only=weights_only,
        checks=checks,
        remarks=[
            *merge.remarks,
            *remarks,
            *other_versions(merge.report),
            *_leniency(merge.report, checks, workers.device),
            *(found.remarks if level != "load" else ()),
        ],
        published_with=_machine(merge.report),
        remade_with=None if more.report is None else _machine(more.report),
    )


def _leniency(report: Report, checks: list[Check], device: torch.device) -> list[str]:
    """A remark where something was off by no more than another machine may make it, and why such a
    machine was believed in.
    """
    parts = {each.part for each in checks if each.deviation is not None}
    used = sorted(
        part
        for part in parts
        if worst([each.outcome for each in checks if each.part == part]) is Outcome.EQUIVALENT
    )
    why = unlike(report, device)
    if not used or not why:
        return []
    return [
        f"the tolerance of another machine was used for {', '.join(used)}, because the report says "
        f"that it was made with {', '.join(why)}; its publisher wrote that, and nothing shows it"
    ]


def _claims(merge: Merge) -> tuple[list[Check], list[str]]:
    """What needs nothing but the merge itself."""
    folder = merge.folder
    card = (folder / CARD).read_text("utf-8", "replace") if CARD in merge.names else ""
    there = {name: (folder / name).read_bytes() for name in PICTURES if name in merge.names}
    results = {name: (folder / name).read_bytes() for name in merge.names if is_result(name)}
    return check_claims(merge.report, card, there, results)


def _further(
    merge: Merge, wanted: Recipe, model: LoadedModel, found: FoundSources, asked: _Asked
) -> _Remade:
    """The published weights measured, and the merge made again, as far as was asked for."""
    workers, levels = asked.workers, levels_to(asked.level)
    checks = workers.on_main(lambda: certify_again(merge, model))
    if wanted.dataset is not None and not asked.weights_only and "measure" in levels:
        if DATASET in found.gone:
            checks += not_checked((FIGURES,), found.gone[DATASET])
        else:
            asked.announce(workers.on_main(lambda: estimate_measuring(merge, wanted)))
            checks += measure_published(merge, wanted, model, workers)
    if "remake" not in levels:
        return _Remade([*checks, *workers.on_main(lambda: check_settings(merge, wanted, found))])
    remade = _made_again(merge, wanted, model, found, asked)
    return _Remade([*checks, *remade.checks], remade.report)


def _made_again(
    merge: Merge, wanted: Recipe, model: LoadedModel, found: FoundSources, asked: _Asked
) -> _Remade:
    without_data = asked.weights_only or DATASET in found.gone
    device = asked.workers.device
    if why := _why_not_made_again(merge.report, found, device) or too_much_work(wanted):
        return _Remade(not_checked(_everything(merge, asked), why))
    if any(check.outcome is not Outcome.IDENTICAL for check in check_spec_file(merge)):
        why = "the spec beside the weights is not the one that the report speaks of"
        return _Remade(not_checked(_everything(merge, asked), why))
    estimate = asked.workers.on_main(
        lambda: estimate_remaking(merge, wanted, without_data=without_data)
    )
    asked.announce(estimate)
    with spec_of_merge(merge):
        if wanted.dataset is None or not without_data:
            return _by_recipe(merge, wanted, model, asked.workers)
        remade = _by_alignment(merge, wanted, model, asked.workers)
    if not asked.weights_only:
        remade.checks += not_checked(measured_parts(merge.report), found.gone[DATASET])
    return remade


def _why_not_made_again(report: Report, found: FoundSources, device: torch.device) -> str | None:
    """Why a merge cannot be made again here; None if it can."""
    if report.run.arithmetic != ARITHMETIC:
        return (
            f"not settled: made by version {report.run.versions.get('hubmerge', 'unknown')} of "
            f"hubmerge, whose arithmetic is number {report.run.arithmetic}; the installed one's is "
            f"number {ARITHMETIC}"
        )
    if missing := missing_plugins(report.method.plugins or ()):
        return needs(missing)
    return "; ".join(found.gone_parents) or another_processor(report, device)


def _everything(merge: Merge, asked: _Asked) -> tuple[str, ...]:
    """The parts that making a merge again would check."""
    measured = () if asked.weights_only else measured_parts(merge.report)
    return ("weights", "configuration", *PLAIN, *measured)


def _weights(
    merge: Merge,
    result: MergeResult,
    recipe: Recipe,
    model: LoadedModel,
    unknown: Callable[[str], bool] = lambda name: False,
) -> list[Check]:
    """The weights, and whether what differs in them looks like rounding."""
    checks = check_weights(merge, result, unknown)
    if model.task is not None and any(each.outcome is Outcome.EQUIVALENT for each in checks):
        remade = load(str(result.folder), trust_remote_code=recipe.trust_remote_code)
        checks += check_steering(model.model, remade.model, *rows_for(merge, recipe, model))
    return checks


def _by_recipe(merge: Merge, wanted: Recipe, model: LoadedModel, workers: Workers) -> _Remade:
    """The whole merge once more, everything measured."""

    left_out = any(each.given not in wanted.eval for each in merge.report.benchmarks or ())

    def compared(result: MergeResult) -> list[Check]:
        weights = _weights(merge, result, wanted, model)
        return [
            *weights,
            *check_files(merge, result.folder, alignment=True),
            *check_report(
                merge.report,
                result.report,
                measured=True,
                benchmarks=not left_out,
                same_weights=worst([each.outcome for each in weights]) is Outcome.IDENTICAL,
            ),
            *not_checked((BENCHMARKS,) if left_out else (), NO_HARNESS),
        ]

    derived = () if merge.report.method.spec is None else NO_SPEC
    return _run(wanted, compared, workers, (*IMPOSSIBLE, *derived))


def _by_alignment(merge: Merge, wanted: Recipe, model: LoadedModel, workers: Workers) -> _Remade:
    """Weights without data, as far as that goes."""
    way = replay(wanted, merge.report, merge.folder)
    if isinstance(way, str):
        return _Remade(not_checked(("weights", "configuration", *PLAIN), way))
    unknown, recipe = way.unknown, way.recipe

    def compared(result: MergeResult) -> list[Check]:
        return [
            *_weights(merge, result, recipe, model, unknown),
            *check_files(merge, result.folder, alignment=False),
            *check_report(merge.report, result.report, measured=False),
        ]

    derived = () if merge.report.method.spec is None else NO_SPEC
    return _run(recipe, compared, workers, (*IMPOSSIBLE, *ILL_ALIGNED, *derived))


def _run(
    recipe: Recipe,
    compared: Callable[[MergeResult], list[Check]],
    workers: Workers,
    impossible: tuple[type[HubmergeError], ...],
) -> _Remade:
    """Carries out `recipe` where nothing of it stays, and compares."""
    place = workers.on_main(lambda: Path(tempfile.mkdtemp(prefix="hubmerge-verify-")))
    try:
        result = run(recipe, Destination(out=place / "again"), workers)
        return _Remade(workers.on_main(lambda: compared(result)), result.report)
    except impossible as error:
        why = f"they cannot be made from what is recorded: {error}"
        check = Check(part="weights", what="all of them", outcome=Outcome.DOES_NOT_HOLD, why=why)
        return _Remade([check])
    finally:
        if workers.is_main:
            shutil.rmtree(place, ignore_errors=True)


def _machine(report: Report) -> dict[str, str]:
    return {**report.run.versions, "device": report.run.device}
