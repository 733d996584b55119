"""The files of a published merge: their hashes, and whether they are those made again."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator
from pathlib import Path, PurePosixPath
from typing import Any

from packaging.version import InvalidVersion, Version

from hubmerge.hub.layout import CONFIG, GENERATION, PROCESSOR
from hubmerge.matching.alignment_files import is_alignment
from hubmerge.matching.match_files import SUMMARY
from hubmerge.pipeline.weight_hashes import weight_hashes
from hubmerge.utils.untrusted import said_once
from hubmerge.verification.defaults import default_fields
from hubmerge.verification.download import SAYING, Merge
from hubmerge.verification.result import Check, Outcome
from hubmerge.verification.rounding import FITTED
from hubmerge.verification.stock_files import is_inert
from hubmerge.verification.tensors import compare_tensors
from hubmerge.verification.values import compare

VERSION = "transformers_version"
OLDEST = Version("5.0.0")
"""No merge is written by a transformers before it; stock code reads what lies beside such a
configuration in other ways (tokenizers like Mistral's)."""
SETTINGS = (CONFIG, GENERATION, PROCESSOR, "processor_config.json")
"""Files that say the same however their lines are broken. Others are read by other readers, which
need not read the same in other bytes."""


def check_hashes(merge: Merge) -> list[Check]:
    """Whether what stock code loads are the files of weights that the report speaks of."""
    said = merge.report.weights_sha256
    return [
        Check(
            part="weights",
            what=f"{name}: its hash in the report",
            outcome=Outcome.IDENTICAL
            if said.get(name) == merge.hashes.get(name)
            else Outcome.DOES_NOT_HOLD,
            said=said.get(name),
            found=merge.hashes.get(name),
            why=None if name in merge.hashes else "stock code does not load it",
        )
        for name in sorted({*said, *merge.hashes})
    ]


def check_files(
    merge: Merge, folder: Path, *, alignment: bool, besides: Collection[str] = ()
) -> list[Check]:
    """Whether everything else that is loaded (and the alignment, if it was found again) is as made
    again in `folder`.

    besides: files that are checked elsewhere. Figures in an alignment's summary may be off like
    any other.
    """
    special = {*besides, *SAYING, *weight_hashes(folder), *merge.weights}
    ours = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    theirs = {name for name in merge.names if not is_inert(name) or name in ours}
    checks: list[Check] = []
    for name in sorted({*ours, *theirs} - special):
        part = "alignment" if _of_alignment(name) else "configuration"
        if part == "configuration" or alignment:
            checks += _check_file(part, name, merge.folder / name, folder / name)
    return checks


def _check_file(part: str, name: str, published: Path, remade: Path) -> Iterator[Check]:
    if not published.is_file() or not remade.is_file():
        why = "not among what was made again" if published.is_file() else "missing"
        yield Check(part=part, what=name, outcome=Outcome.DOES_NOT_HOLD, why=why)
        return
    said, found = published.read_bytes(), remade.read_bytes()
    if said == found:
        yield Check(part=part, what=name, outcome=Outcome.IDENTICAL)
    elif is_alignment(name):
        yield from compare_tensors(part, [published], [remade], allowance=FITTED, signs=False)
    elif name.endswith(".json"):
        yield from _check_json(part, name, said, found)
    else:
        yield Check(part=part, what=name, outcome=Outcome.DOES_NOT_HOLD, why="other content")


def _check_json(part: str, name: str, said: bytes, found: bytes) -> list[Check]:
    """Leaf by leaf. Only figures of an alignment may be off."""
    summary = PurePosixPath(name).name == SUMMARY
    try:
        values = [_read(name, content) for content in (said, found)]
    except (ValueError, RecursionError) as error:
        why = f"it cannot be read: {str(error)[:200]}"
        return [Check(part=part, what=name, outcome=Outcome.DOES_NOT_HOLD, why=why)]
    if defaults := default_fields(name, *values):
        why = f"defaults that not every version of transformers writes: {', '.join(defaults)}"
        return [Check(part=part, what=name, outcome=Outcome.EQUIVALENT, why=why)]
    checks = list(compare(part, *values, at=name, exact=not summary))
    wrong = any(check.outcome is Outcome.DOES_NOT_HOLD for check in checks)
    if not wrong and not summary and name not in SETTINGS:
        why = "the same values in other bytes, which other readers may read otherwise"
        checks.append(Check(part=part, what=name, outcome=Outcome.DOES_NOT_HOLD, why=why))
    return checks


def _read(name: str, content: bytes) -> Any:
    """Raises: ValueError, if it is no JSON, or says something twice."""

    value = json.loads(content.decode("utf-8"), object_pairs_hook=said_once)
    if isinstance(value, dict):
        return {key: v for key, v in value.items() if not _is_bookkeeping(name, key, v)}
    return value


def _is_bookkeeping(name: str, key: str, value: Any) -> bool:
    """Whether a field at the top of a file only says which transformers wrote it."""
    if key != VERSION or name not in (CONFIG, GENERATION):
        return False
    try:
        return Version(value) >= OLDEST
    except (InvalidVersion, TypeError):
        return False


def _of_alignment(name: str) -> bool:
    return name.endswith(SUMMARY) or is_alignment(name)
