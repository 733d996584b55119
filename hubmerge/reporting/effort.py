"""The effort of a merge in words, and the one to try next."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from hubmerge.errors.wording import option
from hubmerge.recipe import AUTO, BEST, NO_REFINEMENT, QUICK, STANDARD, EffortName, Trials
from hubmerge.recipe.effort import EFFORTS
from hubmerge.refine import ROWS
from hubmerge.reporting.schema.effort import EffortRecord
from hubmerge.reporting.schema.report import Report
from hubmerge.utils.durations import duration

ORDER: tuple[EffortName, ...] = (QUICK, STANDARD, BEST)
WORSE = ("worse", "do not use")
BACK_AND_FORTH = 3
"""What a step costs, in passes: one forward, and a gradient of about two."""


def effort_record(effort: EffortName, trials: Trials, left_out: str | None) -> EffortRecord:
    """What plan and report hold of an effort. left_out: why nothing is refined though it would."""
    refines = trials.refine != NO_REFINEMENT and left_out is None
    return EffortRecord(
        effort=effort,
        match=list(trials.match),
        fuse=list(trials.fuse),
        refine=trials.refine if refines else NO_REFINEMENT,
        refine_steps=trials.refine_steps if refines else None,
        refine_samples=trials.refine_samples if refines else None,
        lam=trials.lam,
        left_out=left_out,
    )


def effort_text(record: EffortRecord) -> str:
    """All that an effort stood for, in one line."""
    parts = [f"match by {_any_of(record.match)}", f"fuse by {_any_of(record.fuse)}"]
    if record.lam == AUTO:
        parts.append("λ chosen")
    if record.refine != NO_REFINEMENT:
        parts.append(
            f"refine by {record.refine}, {record.refine_steps:,} steps on at most "
            f"{record.refine_samples:,} rows"
        )
    elif record.left_out:
        parts.append(f"nothing refined: {record.left_out}")
    return "; ".join(parts)


def _any_of(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"the best of {', '.join(names)}"


@dataclass(frozen=True)
class NextEffort:
    """What to try where a merge lost: the same merge at another effort.

    seconds: how long that takes on the same machine, as far as this merge's own times say; None
    where they say nothing.
    """

    effort: EffortName
    seconds: float | None

    @property
    def hint(self) -> str:
        """What to do, in one sentence; each interface words its mention of the option."""
        takes = "" if self.seconds is None else f"; takes about {duration(self.seconds)}"
        return f"{option('effort', self.effort)}: the same merge, with more that is tried{takes}"


def next_effort(report: Report) -> NextEffort | None:
    """The next effort for a merge that lost against a parent; None where there is none.

    None also where nothing was measured, where options named what an effort would decide, and for
    merges of earlier versions, which had no efforts.
    """
    record = report.method.effort
    if report.verdict not in WORSE or record is None or report.data is None:
        return None
    there = ORDER.index(record.effort) if record.effort in ORDER else len(ORDER)
    if there + 1 >= len(ORDER) or (report.heads and record.effort != QUICK):
        return None
    effort = ORDER[there + 1]
    return NextEffort(effort, _seconds(report, effort))


def _seconds(report: Report, effort: EffortName) -> float | None:
    """The time of this merge, and that of the steps that the other effort takes beside its own."""
    spent, data = report.run.seconds, report.data
    measuring, refine = spent.get("measure"), report.method.refine
    if not measuring or data is None:
        return None
    rows = data.evaluation.rows + (data.validation.rows if data.validation else 0)
    curves = (report.barrier.detail.naive, report.barrier.detail.matched)
    contenders = len(report.contenders.parents) + 2 + (report.contenders.refined_parent is not None)
    passes = contenders + sum(len(curve.points) - 2 for curve in curves if curve)
    pace = measuring / max(1, rows * passes)
    taken = refine.steps if refine else 0
    steps = max(0, EFFORTS[effort].refine_steps - taken)
    return sum(spent.values()) + 2 * BACK_AND_FORTH * steps * ROWS * pace
