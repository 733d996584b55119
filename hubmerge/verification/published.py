"""Checking a published merge as it is, without making it again: it loads, and its figures hold."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from hubmerge.errors import (
    DataError,
    HubmergeError,
    HubUnavailableError,
    LabelError,
    MismatchError,
    RecipeError,
    RemoteCodeError,
    ResourceError,
)
from hubmerge.evaluation.evaluate import outputs
from hubmerge.evaluation.score import score
from hubmerge.hub.fetch import download_bytes, fetch, needed_files
from hubmerge.hub.load import load
from hubmerge.hub.loaded_model import LoadedModel
from hubmerge.hub.source import Source, resolve
from hubmerge.models.lookup import looks_up
from hubmerge.models.outputs import Outputs
from hubmerge.pipeline.open_data import open_splits
from hubmerge.recipe import Recipe
from hubmerge.reporting.words import words_of
from hubmerge.utils.workers import Workers
from hubmerge.verification.download import Merge
from hubmerge.verification.limits import refuse_what_does_not_fit
from hubmerge.verification.processors import rounds_alike
from hubmerge.verification.result import Check, Outcome
from hubmerge.verification.sensitivity import sensitivity
from hubmerge.verification.values import SHARES, compare, on_same_weights, settled, within

FIGURES = "published"
"""The part of a verification that figures of the published weights are in."""
MERGE = "contenders.merge"
"""Where a report says them."""


def load_published(
    merge: Merge, *, trust_remote_code: bool
) -> tuple[LoadedModel | None, list[Check]]:
    """The model that stock code makes of the published files, and whether there is one.

    Called by all processes alike. Raises: RemoteCodeError, if the merge says itself that it takes
    code, and that may not be run; HubUnavailableError, ResourceError.
    """
    try:
        model = load(str(merge.folder), trust_remote_code=trust_remote_code)
    except (HubUnavailableError, ResourceError):
        raise
    except HubmergeError as error:
        if isinstance(error, RemoteCodeError) and merge.recipe.trust_remote_code:
            raise
        found = f": {error.found}" if error.found else ""
        return None, [_loading(Outcome.DOES_NOT_HOLD, f"{error.what}{found}")]
    return model, [_loading(Outcome.IDENTICAL)]


def measure_published(
    merge: Merge, wanted: Recipe, model: LoadedModel, workers: Workers
) -> list[Check]:
    """The figures of the published weights themselves, on the recorded rows.

    Of models whose parents had different label sets none: their rows take the parents.
    Called by all processes alike.
    """
    assert wanted.dataset is not None
    if merge.report.heads is not None:
        return []
    source = resolve(wanted.dataset.id, "dataset")
    try:
        folder = str(workers.on_main(lambda: _fetched(source)))
        splits = open_splits(folder, wanted, model)
    except (DataError, LabelError, MismatchError, RecipeError) as error:
        why = str(error)
        what = "the merge on the recorded rows"
        return [Check(part=FIGURES, what=what, outcome=Outcome.DOES_NOT_HOLD, why=why)]

    def measured() -> tuple[Outputs, dict[str, Any]]:
        answers = outputs(model.model, splits.evaluation, workers, "merge")
        validation = outputs(model.model, splits.validation, workers, "merge, validation")
        found = score(answers, validation, has_loss=words_of(merge.report).has_loss)
        return answers, found.model_dump(mode="json", exclude_none=True)

    answers, known = measured()
    said = merge.report.contenders.merge.model_dump(mode="json", exclude_none=True)
    shared = {name: known.get(name) for name in said}
    rows = splits.evaluation.rows
    checks = list(compare(FIGURES, said, shared, at=MERGE, rows=rows))
    if rounds_alike(merge.report, workers.device):
        return settled(checks)
    checks = on_same_weights(checks)
    if looks_up(model.model) or all(each.outcome is not Outcome.EQUIVALENT for each in checks):
        return checks

    def figures() -> tuple[Outputs, dict[str, float]]:
        moved, values = measured()
        return moved, _numbers(values)

    allowed = sensitivity(model.model, figures, (answers, _numbers(known)), SHARES.__contains__)
    return within(checks, {f"{MERGE}.{name}": most for name, most in allowed.items()})


def _numbers(figures: Mapping[str, Any]) -> dict[str, float]:
    return {name: value for name, value in figures.items() if isinstance(value, float)}


def _fetched(source: Source) -> Path:
    refuse_what_does_not_fit(download_bytes(source, needed_files(source)))
    return fetch(source)


def _loading(outcome: Outcome, why: str | None = None) -> Check:
    return Check(part="weights", what="loaded as published", outcome=outcome, why=why)
