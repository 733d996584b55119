"""The order of things when a merge is checked: read, look for sources, make again, compare."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from hubmerge.errors import (
    CanonicalError,
    DataError,
    HubmergeError,
    LabelError,
    LawError,
    MismatchError,
    RecipeError,
    WeightsError,
)
from hubmerge.hub.destination import Destination
from hubmerge.pipeline.run import MergeResult, run
from hubmerge.pipeline.sources import DATASET
from hubmerge.recipe import ARITHMETIC, Recipe
from hubmerge.reporting.pictures import PICTURES
from hubmerge.reporting.schema.plugins import UsedPlugin, missing_plugins
from hubmerge.reporting.schema.report import Report
from hubmerge.utils.checked_calls import checked
from hubmerge.utils.workers import Workers
from hubmerge.verification.claims import CARD, check_card, check_pictures, check_verdict
from hubmerge.verification.download import Merge, download_merge
from hubmerge.verification.published import check_as_published
from hubmerge.verification.recorded import check_sources, recorded, replay
from hubmerge.verification.remade import (
    PLAIN,
    check_files,
    check_hashes,
    check_report,
    check_weights,
    measured_parts,
    not_checked,
)
from hubmerge.verification.result import Check, Outcome, Verification
from hubmerge.verification.sources import FoundSources, look_for

IMPOSSIBLE = (DataError, LabelError, MismatchError, WeightsError)
"""What shows that a merge cannot have been made from what it says."""


ILL_ALIGNED = (CanonicalError, LawError, RecipeError)
"""What shows that the alignment beside the weights is none of these parents."""


@dataclass
class _Remade:
    """What making it again has shown."""

    checks: list[Check] = field(default_factory=list)
    report: Report | None = None


@checked
def verify(
    ref: str,
    *,
    weights_only: bool = False,
    trust_remote_code: bool = False,
    workers: Workers | None = None,
) -> Verification:
    """Checks a published merge: a Hub id, `id@revision`, or the folder it was published from.

    It is made again from the commits it records and measured again on the same rows. Nothing is
    kept and nothing is uploaded.
    weights_only: without any data: nothing is measured, and weights for which data was looked at
    are made again by the alignment that lies beside them.
    Raises: NotFoundError, if it is no merge; RecipeError, RemoteCodeError, HubUnavailableError,
    ResourceError. What does not hold is in the result; `Verification.require` raises it.
    """
    workers = workers or Workers()
    merge = workers.on_main(lambda: download_merge(ref))
    wanted = recorded(merge.recipe, merge.report, merge.folder, trust_remote_code=trust_remote_code)
    checks, remarks = workers.on_main(lambda: _claims(merge))
    found = workers.on_main(lambda: look_for(wanted, paths=merge.source.kind == "local"))
    remade = _made_again(merge, wanted, found, weights_only, workers)
    again = remade.report
    return Verification(
        merge=ref,
        sha=merge.source.sha,
        weights_only=weights_only,
        checks=[*checks, *remade.checks],
        remarks=[*remarks, *found.remarks],
        published_with=_machine(merge.report),
        remade_with=None if again is None else _machine(again),
    )


def _claims(merge: Merge) -> tuple[list[Check], list[str]]:
    """What needs nothing but the merge itself."""
    report, folder = merge.report, merge.folder
    card = (folder / CARD).read_text("utf-8", "replace") if CARD in merge.names else ""
    there = {name: (folder / name).read_bytes() for name in PICTURES if name in merge.names}
    on_card, first = check_card(card, report)
    on_pictures, second = check_pictures(there, report)
    further = [f"not a merge's files, not looked at: {', '.join(merge.further)}"]
    checks = [*check_sources(merge.recipe, report), *check_hashes(merge), *check_verdict(report)]
    return [*checks, *on_card, *on_pictures], [*first, *second, *(further if merge.further else [])]


def _made_again(
    merge: Merge, wanted: Recipe, found: FoundSources, weights_only: bool, workers: Workers
) -> _Remade:
    if len(wanted.models) != len(merge.report.models):
        raise RecipeError(
            f"recipe and report of {merge.source.ref} are of different merges",
            found=f"{len(wanted.models)} parents, {len(merge.report.models)} in the report",
        )
    if merge.report.run.arithmetic != ARITHMETIC:
        return _as_published(merge, wanted, found, weights_only, workers)
    if missing := missing_plugins(merge.report.method.plugins or ()):
        measured = () if weights_only else measured_parts(merge.report)
        parts = ("weights", "configuration", *PLAIN, *measured)
        return _Remade(not_checked(parts, _needs(missing)))
    if found.gone_parents:
        measured = () if weights_only else measured_parts(merge.report)
        parts = ("weights", "configuration", *PLAIN, *measured)
        return _Remade(not_checked(parts, "; ".join(found.gone_parents)))
    if wanted.dataset is None or not (weights_only or DATASET in found.gone):
        return _by_recipe(merge, wanted, workers)
    remade = _by_alignment(merge, wanted, workers)
    if not weights_only:
        remade.checks += not_checked(measured_parts(merge.report), found.gone[DATASET])
    return remade


def _as_published(
    merge: Merge, wanted: Recipe, found: FoundSources, weights_only: bool, workers: Workers
) -> _Remade:
    """A merge by another version of the arithmetic: loaded and measured, not made again."""
    run = merge.report.run
    why = (
        f"not settled: made by version {run.versions.get('hubmerge', 'unknown')} of hubmerge, "
        f"whose arithmetic is number {run.arithmetic}; the installed one's is number {ARITHMETIC}"
    )
    measured = not (weights_only or DATASET in found.gone)
    return _Remade(check_as_published(merge, wanted, why, measured=measured, workers=workers))


def _needs(missing: Sequence[UsedPlugin]) -> str:
    """Which plugins it takes to make the merge again, and how to get them."""
    named = ", ".join(f"the {each.kind} {each.name} of {each.package}" for each in missing)
    wanted = " ".join(dict.fromkeys(each.requirement for each in missing))
    return f"it takes {named}, which is not installed here: pip install {wanted}"


def _by_recipe(merge: Merge, wanted: Recipe, workers: Workers) -> _Remade:
    """The whole merge once more, everything measured."""

    def compared(result: MergeResult) -> list[Check]:
        return [
            *check_weights(merge, result.folder),
            *check_files(merge, result.folder, alignment=True),
            *check_report(merge.report, result.report, measured=True),
        ]

    return _run(wanted, compared, workers, IMPOSSIBLE)


def _by_alignment(merge: Merge, wanted: Recipe, workers: Workers) -> _Remade:
    """Weights without data, as far as that goes."""
    way = replay(wanted, merge.report, merge.folder)
    if isinstance(way, str):
        return _Remade(not_checked(("weights", "configuration", *PLAIN), way))
    unknown = way.unknown

    def compared(result: MergeResult) -> list[Check]:
        return [
            *check_weights(merge, result.folder, unknown),
            *check_files(merge, result.folder, alignment=False),
            *check_report(merge.report, result.report, measured=False),
        ]

    return _run(way.recipe, compared, workers, (*IMPOSSIBLE, *ILL_ALIGNED))


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
