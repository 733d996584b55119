"""Comparing a published merge with the same merge made again."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from hubmerge.matching.alignment_files import is_alignment
from hubmerge.matching.match_files import SUMMARY
from hubmerge.pipeline.existing import REPORT
from hubmerge.pipeline.weight_hashes import weight_hashes
from hubmerge.recipe import RECIPE_FILE
from hubmerge.reporting.pictures import PICTURES
from hubmerge.reporting.schema.report import Report
from hubmerge.verification.claims import CARD
from hubmerge.verification.download import Merge
from hubmerge.verification.result import Check, Outcome
from hubmerge.verification.tensors import compare_tensors
from hubmerge.verification.values import compare

PLAIN = ("models", "merged", "licence")
"""Parts of a report that take no data."""
MEASURED = (
    "n",
    "verdict",
    "heads",
    "contenders",
    "comparisons",
    "barrier",
    "surveys",
    "method",
    "data",
    "limits",
)
"""Parts that do. The rest of a report is about one run of it."""
RARE = ("heads", "surveys")
"""Those that a report may well be without."""
OF_A_RUN = ("revision", "transformers_version")
"""Fields that may differ: the recipe made again asks for commits, maybe with other libraries."""


def check_hashes(merge: Merge) -> list[Check]:
    """Whether the files of weights are those the report speaks of."""
    said, found = merge.report.weights_sha256, weight_hashes(merge.folder)
    return [
        Check(
            part="weights",
            what=f"{name}: its hash in the report",
            outcome=Outcome.IDENTICAL
            if said.get(name) == found.get(name)
            else Outcome.DOES_NOT_HOLD,
            said=said.get(name),
            found=found.get(name),
        )
        for name in sorted({*said, *found})
    ]


def check_weights(
    merge: Merge, folder: Path, unknown: Callable[[str], bool] = lambda name: False
) -> list[Check]:
    """Whether the weights are those made again in `folder`, but for `unknown` tensors."""
    ours, theirs = (
        {path.name: path for path in paths}
        for paths in (merge.weights(), [folder / name for name in weight_hashes(folder)])
    )
    same = [name for name in ours if name in theirs and _hash(ours[name]) == _hash(theirs[name])]
    checks = [
        Check(part="weights", what=f"{name}: made again", outcome=Outcome.IDENTICAL)
        for name in same
    ]
    left = [[paths[name] for name in paths if name not in same] for paths in (ours, theirs)]
    if any(left):
        checks += compare_tensors("weights", *left, unknown=unknown)
    return checks


def check_files(merge: Merge, folder: Path, *, alignment: bool) -> list[Check]:
    """Whether configuration and processor (and the alignment, if it was found again) are the same.

    Figures in an alignment's summary may be off like any other.
    """
    special = {CARD, *PICTURES, REPORT, RECIPE_FILE, *weight_hashes(folder)}
    ours = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    checks: list[Check] = []
    for name in sorted({*ours, *merge.names} - special - {path.name for path in merge.weights()}):
        part = "alignment" if _of_alignment(name) else "configuration"
        if part == "configuration" or alignment:
            checks += _check_file(part, name, merge.folder / name, folder / name)
    return checks


def _check_file(part: str, name: str, published: Path, remade: Path) -> Iterator[Check]:
    if not published.is_file() or not remade.is_file():
        why = "not among what was made again" if published.is_file() else "missing"
        yield Check(part=part, what=name, outcome=Outcome.DOES_NOT_HOLD, why=why)
    elif published.read_bytes() == remade.read_bytes():
        yield Check(part=part, what=name, outcome=Outcome.IDENTICAL)
    elif is_alignment(name):
        yield from compare_tensors(part, [published], [remade])
    elif name.endswith(".json"):
        yield from compare(part, _read(published), _read(remade), at=name)
    else:
        yield Check(part=part, what=name, outcome=Outcome.DOES_NOT_HOLD, why="other content")


def check_report(said: Report, found: Report, *, measured: bool) -> list[Check]:
    """Whether everything the report says came out again; `measured`: what takes data as well."""
    left, right = (_without(each.model_dump(mode="json"), OF_A_RUN) for each in (said, found))
    rows = said.data.validation.rows if said.data and said.data.validation else said.n
    return [
        check
        for part in (*PLAIN, *(MEASURED if measured else ()))
        if part in left or part in right
        for check in compare(part, left.get(part), right.get(part), at=part, rows=rows)
    ]


def measured_parts(report: Report) -> tuple[str, ...]:
    """The parts of a report that take data."""
    missing = [part for part in RARE if getattr(report, part) is None]
    return tuple(part for part in MEASURED if part not in missing)


def not_checked(parts: tuple[str, ...], why: str) -> list[Check]:
    """One check for each of `parts`, which were left out."""
    return [
        Check(part=part, what=f"everything in {part}", outcome=Outcome.NOT_CHECKED, why=why)
        for part in parts
    ]


def _of_alignment(name: str) -> bool:
    return name.endswith(SUMMARY) or is_alignment(name)


def _hash(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _read(path: Path) -> Any:
    """The JSON in a file, without what may differ; its text, if it is none."""
    text = path.read_text(encoding="utf-8", errors="replace")
    try:
        return _without(json.loads(text), OF_A_RUN)
    except ValueError:
        return text


def _without(value: Any, fields: tuple[str, ...]) -> Any:
    match value:
        case dict():
            return {name: _without(v, fields) for name, v in value.items() if name not in fields}
        case list():
            return [_without(each, fields) for each in value]
        case _:
            return value
