"""Check a published merge as it is, without making it again: it loads, and its figures hold."""

from __future__ import annotations

from hubmerge.errors import DataError, LabelError, WeightsError
from hubmerge.evaluation.evaluate import outputs
from hubmerge.evaluation.score import score
from hubmerge.hub.fetch import fetch
from hubmerge.hub.load import LoadedModel, load
from hubmerge.hub.source import resolve
from hubmerge.pipeline.open_data import open_splits
from hubmerge.recipe import Recipe
from hubmerge.utils.workers import Workers
from hubmerge.verification.download import Merge
from hubmerge.verification.remade import PLAIN, measured_parts, not_checked
from hubmerge.verification.result import Check, Outcome
from hubmerge.verification.values import compare


def check_as_published(
    merge: Merge, wanted: Recipe, why: str, *, measured: bool, workers: Workers
) -> list[Check]:
    """What holds of the published weights themselves. Called by all processes alike.

    why: the merge is not made again. measured: whether its figures are measured on the recorded
    rows; else nothing takes data.
    """
    try:
        model = load(str(merge.folder), trust_remote_code=wanted.trust_remote_code)
    except WeightsError as error:
        return [_loading(Outcome.DOES_NOT_HOLD, str(error))]
    checks = [_loading(Outcome.IDENTICAL)]
    if measured and wanted.dataset is not None and merge.report.heads is None:
        checks += _figures(merge, wanted, model, workers)
    left = measured_parts(merge.report) if measured else ()
    return [*checks, *not_checked(("weights", "configuration", *PLAIN, *left), why)]


def _loading(outcome: Outcome, why: str | None = None) -> Check:
    return Check(part="weights", what="loaded as published", outcome=outcome, why=why)


def _figures(merge: Merge, wanted: Recipe, model: LoadedModel, workers: Workers) -> list[Check]:
    """The published model's figures, measured on the recorded rows."""
    assert wanted.dataset is not None
    source = resolve(wanted.dataset.id, "dataset")
    try:
        folder = str(workers.on_main(lambda: fetch(source)))
        splits = open_splits(folder, wanted, model)
    except (DataError, LabelError) as error:
        return not_checked(("contenders",), str(error))
    found = score(
        outputs(model.model, splits.evaluation, workers, "merge"),
        outputs(model.model, splits.validation, workers, "merge, validation"),
    )
    said = merge.report.contenders.merge.model_dump(mode="json", exclude_none=True)
    known = found.model_dump(mode="json", exclude_none=True)
    shared = {name: known.get(name) for name in said}
    return list(
        compare("contenders", said, shared, at="contenders.merge", rows=splits.evaluation.rows)
    )
