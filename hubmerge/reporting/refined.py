"""What merging added to the better parent refined by the same means, in words and by rule.

Merging added nothing that is certain where, against the refined parent, neither the accuracy of
the merge is certainly higher nor its calibrated loss certainly lower.
"""

from __future__ import annotations

from collections.abc import Sequence

from hubmerge.evaluation.results import Comparison
from hubmerge.reporting.label_coverage import remark as of_labels
from hubmerge.reporting.numbers import figure
from hubmerge.reporting.schema.contenders import Contenders
from hubmerge.reporting.schema.refinement import RefinedRecord
from hubmerge.reporting.schema.report import Report
from hubmerge.reporting.words import words_of
from hubmerge.tasks import Words
from hubmerge.utils.parent_names import REFINED_PARENT, display_name


def remark(report: Report) -> str:
    """How a verdict is qualified by what its figures leave out."""
    refine = report.method.refine
    return of_labels(report) or added_nothing(
        report.contenders,
        report.comparisons,
        refine.parent if refine else None,
        words=words_of(report),
        handed_out=bool(refine and refine.handed_out),
    )


def added_nothing(
    contenders: Contenders,
    comparisons: Sequence[Comparison],
    parent: str | None,
    *,
    words: Words,
    handed_out: bool = False,
) -> str:
    """That merging added nothing certain to the refined parent; empty where it did, or none is.

    parent: the one that was refined, as "parent_a"; None where none was. words: of the task.
    handed_out: whether that one is the result, which then is said instead.
    """
    if handed_out and parent is not None:
        return f" The result is {_taught(parent)}."
    compared = [each for each in comparisons if each.other == REFINED_PARENT]
    if not compared or parent is None or contenders.refined_parent is None:
        return ""
    (it,) = compared
    if it.accuracy_low is None or it.accuracy_low > 0:
        return ""
    if it.calibrated_loss_high is not None and it.calibrated_loss_high < 0:
        return ""
    ours, theirs = (
        figure(words.quoted(each.loss, each.accuracy))
        for each in (contenders.merge, contenders.refined_parent)
    )
    refined = f"{display_name(parent)} refined alike"
    return f" Merging added nothing certain to {refined}: {words.headline} {ours} against {theirs}."


def outcome(record: RefinedRecord, words: Words) -> str:
    """What refining a network came to, in the words of its task."""
    kept = "kept" if record.kept else "not kept: validation rows are no better"
    before, after = (words.shown(loss) for loss in (record.loss_before, record.loss_after))
    return (
        f"{record.steps:,} steps, divergence from the parents' mean prediction "
        f"{figure(record.divergence_before)} to {figure(record.divergence_after)} and "
        f"{words.tried} {figure(before)} to {figure(after)} on validation rows; {kept}"
    )


def refinement_lines(report: Report) -> list[tuple[str, str]]:
    """What was refined -> what that came to; empty where nothing was."""
    refine, words = report.method.refine, words_of(report)
    if refine is None:
        return []
    lines = [(f"refinement ({refine.refine})", outcome(refine.merge, words))]
    if refine.parent and refine.refined_parent:
        name = f"{display_name(refine.parent)} refined alike"
        lines.append((name, outcome(refine.refined_parent, words)))
        if refine.handed_out:
            lines.append(("the result", handed_out(refine.parent)))
    return lines


def handed_out(parent: str) -> str:
    """What the result is, where that is the refined parent. parent: as "parent_a"."""
    return f"{_taught(parent)}, certainly better than the merge on validation rows"


def _taught(parent: str) -> str:
    return f"no merge, but {display_name(parent)} taught the mean prediction of all parents"
