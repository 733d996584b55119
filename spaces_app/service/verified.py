"""What this app found when it verified a published merge, and where it keeps that."""

from __future__ import annotations

import sqlite3
import threading
import time
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from hubmerge.hub.benchmarks import DEFAULT
from hubmerge.reporting.schema.report import Report
from hubmerge.reporting.words import words_of
from hubmerge.utils.parent_names import roles
from hubmerge.verification.published import FIGURES
from hubmerge.verification.result import Outcome, Verification

FEW = 5
"""Things that did not hold, or could not be checked, that are kept."""

SCHEMA = """
create table if not exists verified (
  merge text not null,
  sha text not null,
  content text not null,
  primary key (merge, sha)
) strict
"""


class Gain(BaseModel):
    """A merge against the better of its parents, on the same rows.

    difference, low: by how much the main score is better, paired, and its one-sided 95% bound.
    """

    model_config = ConfigDict(frozen=True)

    task: str
    dataset: str
    split: str
    rows: int
    metric: str
    """What the main score is called."""
    merge: float
    parent: str
    better_parent: float
    difference: float
    low: float


class Verified(BaseModel):
    """One commit of a merge, as this app verified it.

    level: the highest that holds in full; None if none does. false: whether something does not
    hold. why: what does not hold or could not be checked, the first of it.
    """

    model_config = ConfigDict(frozen=True)

    merge: str
    sha: str
    level: Literal["measure", "remake"] | None
    false: bool = False
    why: tuple[str, ...] = ()
    checks: Mapping[str, int] = Field(default_factory=dict)
    """Outcome -> number of checks that ended so."""
    versions: Mapping[str, str] = Field(default_factory=dict)
    when: float = Field(default_factory=time.time)
    gain: Gain | None = None

    def ranks(self, least_rows: int) -> bool:
        """Whether it holds, and was compared with its parents on so many rows."""
        if self.false or self.level is None or self.gain is None:
            return False
        return self.gain.rows >= least_rows


def gain_of(report: Report) -> Gain | None:
    """The merge against the better parent; None where the report has no bounds."""
    data, merge = report.data, report.contenders.merge.accuracy
    compared = {each.other: each for each in report.comparisons}
    rivals = []
    parents = zip(report.models, report.contenders.parents, strict=True)
    for role, (record, parent) in zip(roles("parent", len(report.models)), parents, strict=True):
        against = compared.get(role)
        if against is None or against.accuracy_low is None or parent.accuracy is None:
            return None
        rivals.append((parent.accuracy, against.accuracy_low, against, record.name))
    if data is None or data.kind != "hub" or merge is None:
        return None
    better, low, against, name = max(rivals, key=lambda each: (each[0], -each[1]))
    words = words_of(report)
    named = data.id if data.config in (None, DEFAULT) else f"{data.id}, {data.config}"
    return Gain(
        task=report.merged.pipeline_tag or report.merged.model_type,
        dataset=named,
        split=data.evaluation.split,
        rows=against.n,
        metric=words.accuracy,
        merge=words.score(merge),
        parent=name,
        better_parent=words.score(better),
        difference=against.accuracy_difference,
        low=low,
    )


def verified_of(
    merge: str, sha: str, found: Verification, report: Report, before: Verified | None = None
) -> Verified:
    """What one verification says of a merge. before: that of a lower level, which holds."""
    false = found.of(Outcome.DOES_NOT_HOLD)
    open_ = [] if false else found.of(Outcome.NOT_CHECKED)
    level = before.level if before is not None else None
    if not false and not open_ and _measured(found):
        level = "remake" if found.level == "remake" else "measure"
    return Verified(
        merge=merge,
        sha=sha,
        level=None if false else level,
        false=bool(false),
        why=tuple(f"{each.part}: {each.what}" for each in (false or open_)[:FEW]),
        checks={str(name): n for name, n in Counter(c.outcome for c in found.checks).items()},
        versions=found.remade_with or {},
        gain=gain_of(report),
    )


def _measured(found: Verification) -> bool:
    """Whether figures were measured again: of the published weights, or of the merge remade."""
    return found.level == "remake" or any(each.part == FIGURES for each in found.checks)


class VerifiedStore:
    """All that was verified, by merge and commit."""

    def __init__(self, path: Path) -> None:
        self._database = sqlite3.connect(path, check_same_thread=False, isolation_level=None)
        self._lock = threading.Lock()
        with self._lock:
            self._database.execute("pragma journal_mode = wal")
            self._database.execute(SCHEMA)

    def put(self, verified: Verified) -> None:
        """Store it, in place of what was known of that commit."""
        row = (verified.merge, verified.sha, verified.model_dump_json())
        with self._lock:
            self._database.execute("insert or replace into verified values (?, ?, ?)", row)

    def get(self, merge: str, sha: str) -> Verified | None:
        """What was found of a commit; None if it was not verified."""
        with self._lock:
            rows = self._database.execute(
                "select content from verified where merge = ? and sha = ?", (merge, sha)
            ).fetchall()
        return Verified.model_validate_json(rows[0][0]) if rows else None

    def close(self) -> None:
        """Close the database."""
        with self._lock:
            self._database.close()
