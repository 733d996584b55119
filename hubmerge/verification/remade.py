"""Comparing a published merge with the same merge made again."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

from hubmerge.fuse import find_fusion
from hubmerge.matching import learners
from hubmerge.pipeline.merge_result import MergeResult
from hubmerge.reporting.schema.report import Report
from hubmerge.verification.download import Merge
from hubmerge.verification.processors import rounds_alike
from hubmerge.verification.result import Check, Outcome, worst
from hubmerge.verification.rounding import CLOSED, FITTED, Allowance
from hubmerge.verification.tensors import compare_tensors
from hubmerge.verification.values import compare, on_same_weights, settled

BENCHMARKS = "benchmarks"
PLAIN = ("models", "merged", "licence")
"""Parts of a report that take no data."""
STAGES = "stages"
"""The same of what was made before, if anything was."""
MEASURED = (
    "n",
    "verdict",
    "heads",
    "contenders",
    "comparisons",
    "barrier",
    "surveys",
    BENCHMARKS,
    "method",
    "data",
    "limits",
)
"""Parts that do. The rest of a report is about one run of it."""
RARE = ("heads", "surveys", BENCHMARKS)
"""Those that a report may well be without."""
SAME_MACHINE = (
    "by the report the same libraries made them on the same kind of processor, which takes every "
    "sum alike"
)
"""Why weights that are nearly those made again do not hold."""
SOURCES = ("models", "base", "data")
"""Parts of a report whose `revision` is what was asked for: the recipe that is made again asks
for commits."""


def check_weights(
    merge: Merge, remade: MergeResult, unknown: Callable[[str], bool] = lambda name: False
) -> list[Check]:
    """Whether the weights, and the report's hashes of them, are those made again.

    unknown: names of tensors that were not made again.
    """
    folder, said, ours = remade.folder, merge.report.weights_sha256, remade.report.weights_sha256
    theirs = {name: merge.hashes[name] for name in merge.weights}
    same = [name for name in theirs if ours.get(name) == theirs[name]]
    checks = [
        Check(part="weights", what=f"{name}: made again", outcome=Outcome.IDENTICAL)
        for name in same
    ]
    left = [sorted({*names} - {*same}) for names in (theirs, ours)]
    if any(left):
        paths = ([merge.folder / name for name in left[0]], [folder / name for name in left[1]])
        checks += compare_tensors(
            "weights", *paths, allowance=allowance_of(remade.report), unknown=unknown
        )
        if rounds_alike(merge.report, torch.device(remade.report.run.device)):
            checks = [_exact(check) for check in checks]
    near = worst([check.outcome for check in checks])
    if any(
        check.outcome is Outcome.NOT_CHECKED for check in checks
    ):  # some tensors were not made again, so that no hash was
        return checks
    for name in sorted({*said, *ours}):
        # Other bytes have another hash: it is right if the file it is of holds the right numbers.
        right = said.get(name) == ours.get(name)
        there = said.get(name) is not None and said.get(name) == theirs.get(name)
        checks.append(
            Check(
                part="weights",
                what=f"{name}: the report's hash, made again",
                outcome=Outcome.IDENTICAL
                if right
                else max(near, Outcome.EQUIVALENT, key=list(Outcome).index)
                if there and name in ours
                else Outcome.DOES_NOT_HOLD,
                said=said.get(name),
                found=ours.get(name),
            )
        )
    return checks


def _exact(check: Check) -> Check:
    """The same check, where no other machine is said to have made the weights."""
    if check.outcome is not Outcome.EQUIVALENT:
        return check
    return check.model_copy(update={"outcome": Outcome.DOES_NOT_HOLD, "why": SAME_MACHINE})


def allowance_of(report: Report) -> Allowance:
    """How far another machine's arithmetic may move the weights of such a merge."""
    method = report.method
    fitted = (
        find_fusion(method.fuse).needs_data
        or method.repair == "repair"
        or method.match in learners()
        or method.refine is not None
    )
    return FITTED if fitted else CLOSED


def check_report(
    said: Report,
    found: Report,
    *,
    measured: bool,
    benchmarks: bool = True,
    same_weights: bool = False,
) -> list[Check]:
    """Whether everything the report says came out again; `measured`: what takes data as well;
    `benchmarks`: whether they were run again; `same_weights`: whether the weights came out to the
    last bit.
    """
    left, right = (_comparable(each) for each in (said, found))
    rows = said.data.validation.rows if said.data and said.data.validation else said.n
    checks = [
        check
        for part in (*PLAIN, STAGES, *(MEASURED if measured else ()))
        if (part in left or part in right) and (benchmarks or part != BENCHMARKS)
        for check in compare(part, left.get(part), right.get(part), at=part, rows=rows)
    ]
    if not same_weights:
        return checks
    alike = rounds_alike(said, torch.device(found.run.device))
    return settled(checks) if alike else on_same_weights(checks)


def _comparable(report: Report) -> dict[str, Any]:
    content = report.model_dump(mode="json")
    for part in SOURCES:
        for source in content[part] if part == "models" else [content.get(part)]:
            if source is not None:
                source.pop("revision", None)
    for stage in content.get("stages") or ():
        for source in [*stage["models"], *filter(None, [stage.get("base")])]:
            source.pop("revision", None)
    return content


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
