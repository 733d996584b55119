"""What to try next, where a merge is worse than its parents."""

from __future__ import annotations

from hubmerge.errors.wording import option
from hubmerge.matching.learned.registry import learners
from hubmerge.reporting.effort import next_effort
from hubmerge.reporting.schema.method import MethodRecord
from hubmerge.reporting.schema.report import Report
from hubmerge.reporting.words import reads_classes
from hubmerge.specs.spec import FLIP, PERMUTATIONS, PERMUTE, SCALE

WORSE = ("worse", "do not use")
REFIT = f"{option('fuse', 'least-squares')}: refit every layer to both parents, on unlabelled rows"
LEARN = (
    f"{option('match', 'learned')}: learn the alignment on unlabelled rows; takes minutes to "
    "an hour"
)
REFINE = f"{option('refine', 'distill')}: teach it the parents' mean prediction, on unlabelled rows"
LONGER = (
    f"{option('match', 'learned')} with {option('learning_steps', 3600)}: more steps, if this took "
    "fewer"
)


def next_steps(report: Report) -> list[str]:
    """What this merge has not used and merges like it gained from (docs/benchmarks.md), as hints.

    Each interface words their mentions of options.

    Empty where nothing was measured, where the merge is not known to be worse than a parent, and
    where nothing was matched or parents know other classes: those have other questions.
    """
    data, method = report.data, report.method
    if report.verdict not in WORSE or data is None or data.calibration is None:
        return []
    if (more := next_effort(report)) is not None:
        return [more.hint]
    if report.heads or report.base or not method.spaces:
        return []
    turns = _turns(method)
    refine = [REFINE] if method.refine is None and not method.part and reads_classes(report) else []
    if turns and method.match in learners():
        return [*refine, LONGER]
    found = [REFIT, *refine] if method.fuse == "average" else refine
    return [*found, LEARN] if turns and len(report.models) == 2 else found


def _turns(method: MethodRecord) -> bool:
    """Whether the family has rotations or linear maps, which is what learning gains by."""
    tried = {attempt.symmetry for attempt in method.tried if attempt.match != "none"}
    kinds = {space.kind for space in method.spaces}
    return PERMUTATIONS in tried or not kinds <= {PERMUTE, SCALE, FLIP}
