"""The verdict: one plain sentence by a written rule.

Differences are merge minus parent, paired row by row; every bound is one-sided at 95%.
The first line that holds decides:

do not use                 the outputs are not finite; or against some parent the accuracy is
                           surely more than 0.10 lower (upper bound below -0.10)
better than both parents   against each parent the accuracy is surely higher (lower bound above
                           0) and the calibrated loss surely lower (upper bound below 0); where
                           there are more of them it is "better than all parents"
as good                    against each parent surely less than 0.01 accuracy is lost (lower
                           bound above -0.01) and surely less than 0.01 nats of calibrated loss
                           are added (upper bound below 0.01)
worse                      against some parent the accuracy is surely lower (upper bound below
                           0) or the calibrated loss surely higher (lower bound above 0)
cannot tell                otherwise, and always on fewer than 30 rows, which have no bounds
not judged                 instead of all but the first where rows of the task have no loss: there
                           are figures with intervals, and what they are worth the reader says

Limits are those of most tasks; a task may have others (`Tolerances`), another main score in the
place of accuracy, and where its outputs cannot be calibrated, the loss itself is judged. Without
temperatures (no validation rows) the calibrated loss is unknown, so only "do not use", "worse" and
"cannot tell" remain; without data only "cannot tell". A merge that improves, all else equal, never
gets a lower verdict. "Each parent" makes the good verdicts strict (at most 5% are wrong); "some
parent" asks up to two questions per parent at 5% each, so "worse" errs towards warning.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

from hubmerge.evaluation.bootstrap import LEAST_ROWS, is_enough
from hubmerge.evaluation.results import Comparison
from hubmerge.reporting.escape import one_line
from hubmerge.reporting.numbers import count, counted, everyone, figure
from hubmerge.reporting.schema.contenders import Contenders
from hubmerge.reporting.schema.report import VerdictName
from hubmerge.tasks import DEFAULT_TOLERANCES, DEFAULT_WORDS, NO_DATA, Tolerances, Words
from hubmerge.utils.parent_names import display_name, listed

NOTHING = Tolerances(accuracy=0.0, loss=0.0)
"""Nothing may be lost."""
FORESEEABLE = 1_000_000
"""Rows beyond which "measure on more" is not useful advice."""

PREAMBLE = (
    "All differences are merge minus parent, paired row by row, with one-sided 95% bounds. "
    '"Certainly" means that the bound holds. The first line that holds decides.'
)


def rule(tolerances: Tolerances, words: Words, parents: int = 2) -> list[tuple[str, str]]:
    """The rule as the card has it: (verdict, condition) in order."""
    right, loss, all_of_them = words.accuracy, words.judged, everyone(parents)
    worse, better = words.less
    beyond = "above" if words.errs else "below"
    if not words.has_loss:
        return [
            ("do not use", "its outputs are not finite"),
            ("not judged", "rows have no loss, by which merges are judged"),
        ]
    return [
        (
            "do not use",
            f"its outputs are not finite, or its {right} is certainly more than "
            f"{tolerances.collapse:.2f} {beyond} a parent's",
        ),
        (
            f"better than {all_of_them}",
            f"against each parent, {right} is certainly {better} and {loss} lower",
        ),
        (
            "as good",
            f"against each parent, {right} is certainly less than {tolerances.accuracy} {worse} "
            f"and {loss} less than {tolerances.loss} {words.nats} higher",
        ),
        (
            "worse",
            f"against a parent, {right} is certainly {worse} or {loss} higher",
        ),
        (
            "cannot tell",
            "none of these is certain at this number of rows, or there are fewer than "
            f"{LEAST_ROWS} rows, of which nothing is certain",
        ),
    ]


class Verdict(NamedTuple):
    name: VerdictName
    sentence: str


def judge(
    contenders: Contenders,
    comparisons: Sequence[Comparison],
    *,
    unit: str = "images",
    finite: bool = True,
    words: Words = DEFAULT_WORDS,
    tolerances: Tolerances = DEFAULT_TOLERANCES,
    unmeasured: str = NO_DATA,
    remark: str = "",
) -> Verdict:
    """The verdict on `contenders.merge` by the rule above.

    `comparisons` are read where `other` is a parent, such as "parent_b"; `unit` is the plural word
    for a row; `finite` is whether every output of the merge was; `words` and `tolerances` are those
    of the task; `unmeasured` is why there are no figures, where there are none; `remark` is added
    to what was measured.
    """
    parents = [each for each in comparisons if each.other.startswith("parent_")]
    if not finite:
        return Verdict("do not use", "Do not use: some outputs of the merge are not finite.")
    if len(parents) < 2:
        return Verdict("cannot tell", f"Cannot tell, because nothing was evaluated: {unmeasured}.")
    rows = min(parent.n for parent in parents)
    figures = _figures(contenders, rows, unit, words)
    if not words.has_loss:
        why = f"The {unit} have no loss each, by which merges are judged."
        return Verdict("not judged", f"Not judged: {figures}. {why}{remark}")
    if not is_enough(rows):
        few = f"A conclusion takes at least {count(LEAST_ROWS)} test {unit}."
        return Verdict("cannot tell", f"Cannot tell: {figures}. {few}{remark}")
    name = _decided(parents, tolerances)
    besides = _better_in(parents, words)
    match name:
        case "do not use":
            lost = -min(parent.accuracy_difference for parent in parents)
            moves = "rises" if words.errs else "drops"
            sentence = f"Do not use: {words.accuracy} {moves} by {figure(lost)}; {figures}."
        case "better than both parents" | "better than all parents":
            sentence = f"Better than {everyone(len(parents))}: {figures}."
        case "as good":
            also = f", and certainly better in {besides}" if besides else ""
            sentence = f"As good as {everyone(len(parents))}{also}: {figures}."
        case "worse":
            though = f", though certainly better in {besides}" if besides else ""
            sentence = f"{_worse_by(parents, words)}{though}: {figures}."
        case "cannot tell":
            though = f", though certainly better in {besides}" if besides else ""
            sentence = (
                f"Cannot tell{though}: {figures}. {_what_it_takes(parents, unit, tolerances)}"
            )
    return Verdict(name, sentence + remark)


def figures_said(sentence: str) -> str:
    """The figures of a verdict's sentence: "accuracy 0.982 against 0.983 and 0.987 on 1,000 test
    images"; all of it, where it has none.
    """
    figures = sentence.partition(": ")[2]
    return one_line(figures.partition(". ")[0].removesuffix(".") or sentence)


def headline(sentence: str) -> str:
    """What a verdict's sentence says before its figures: "Worse than parent A by 0.020"."""
    return one_line(sentence.partition(":")[0])


def _decided(parents: Sequence[Comparison], tolerances: Tolerances) -> VerdictName:
    if any(_surely_less_accurate(parent, -tolerances.collapse) for parent in parents):
        return "do not use"
    if all(_surely_within(parent, NOTHING) for parent in parents):
        return "better than both parents" if len(parents) == 2 else "better than all parents"
    if all(_surely_within(parent, tolerances) for parent in parents):
        return "as good"
    if any(_surely_less_accurate(parent) or _surely_more_loss(parent) for parent in parents):
        return "worse"
    return "cannot tell"


def _surely_within(parent: Comparison, tolerances: Tolerances) -> bool:
    """Whether surely less is lost in accuracy and added in calibrated loss than may be."""
    return (
        parent.accuracy_low is not None
        and parent.accuracy_low > -tolerances.accuracy
        and parent.calibrated_loss_high is not None
        and parent.calibrated_loss_high < tolerances.loss
    )


def _surely_less_accurate(parent: Comparison, than: float = 0.0) -> bool:
    return parent.accuracy_high is not None and parent.accuracy_high < than


def _surely_more_loss(parent: Comparison) -> bool:
    return parent.calibrated_loss_low is not None and parent.calibrated_loss_low > 0


def _better_in(parents: Sequence[Comparison], words: Words) -> str:
    """In what the merge is surely better than every parent, "" if in nothing."""
    if all((parent.accuracy_low or 0.0) > 0 for parent in parents):
        return words.accuracy
    if all(
        parent.calibrated_loss_high is not None and parent.calibrated_loss_high < 0
        for parent in parents
    ):
        return words.tried
    return ""


def _figures(contenders: Contenders, n: int, unit: str, words: Words) -> str:
    merge, *parents = (
        figure(words.quoted(contender.loss, contender.accuracy))
        for contender in (contenders.merge, *contenders.parents)
    )
    return f"{words.headline} {merge} against {listed(parents)} on {counted(n, f'test {unit}')}"


def _worse_by(parents: Sequence[Comparison], words: Words) -> str:
    """ "Worse than parent A by 0.020", by accuracy if that is sure, else by calibrated loss."""
    what = "" if words.headline == words.accuracy else f" in {words.accuracy}"
    less_accurate = [parent for parent in parents if _surely_less_accurate(parent)]
    if less_accurate:
        by = figure(max(-parent.accuracy_difference for parent in less_accurate))
        return f"Worse than {_named(less_accurate, len(parents))} by {by}{what}"
    more_loss = [parent for parent in parents if _surely_more_loss(parent)]
    by = figure(max(parent.calibrated_loss_difference or 0.0 for parent in more_loss))
    return f"Worse than {_named(more_loss, len(parents))} by {by} {words.nats} of {words.judged}"


def _named(parents: Sequence[Comparison], count: int) -> str:
    if len(parents) == count:
        return everyone(count)
    return listed([display_name(parent.other) for parent in parents])


def _what_it_takes(parents: Sequence[Comparison], unit: str, tolerances: Tolerances) -> str:
    if any(parent.calibrated_loss_high is None for parent in parents):
        return 'Without validation rows there is no calibration, so "as good" cannot be claimed.'
    needed = min(_rows_for_as_good(parents, tolerances), _rows_for_worse(parents))
    if needed > FORESEEABLE:
        return "The difference is so close to the limit that no realistic number of rows would do."
    return (
        f"If the differences stay the same, about {count(_two_digits(needed))} test {unit} would "
        "settle it."
    )


def _rows_for_as_good(parents: Sequence[Comparison], tolerances: Tolerances) -> float:
    """Rows at which every bound would be inside the tolerance: widths shrink as 1/sqrt(n)."""
    return max(
        rows
        for parent in parents
        for rows in (
            _rows(
                parent.n,
                parent.accuracy_difference - (parent.accuracy_low or 0.0),
                parent.accuracy_difference + tolerances.accuracy,
            ),
            _rows(
                parent.n,
                (parent.calibrated_loss_high or 0.0) - (parent.calibrated_loss_difference or 0.0),
                tolerances.loss - (parent.calibrated_loss_difference or 0.0),
            ),
        )
    )


def _rows_for_worse(parents: Sequence[Comparison]) -> float:
    """Rows at which some bound would be on the bad side of 0."""
    return min(
        rows
        for parent in parents
        for rows in (
            _rows(
                parent.n,
                (parent.accuracy_high or 0.0) - parent.accuracy_difference,
                -parent.accuracy_difference,
            ),
            _rows(
                parent.n,
                (parent.calibrated_loss_difference or 0.0) - (parent.calibrated_loss_low or 0.0),
                parent.calibrated_loss_difference or 0.0,
            ),
        )
    )


def _rows(n: int, width: float, room: float) -> float:
    """Rows at which a bound, `width` from the difference at `n` rows, is within `room` of it.

    Infinite where there is no room, or so little that no foreseeable number would do.
    """
    return n * (width / room) ** 2 if room * FORESEEABLE > width else math.inf


def _two_digits(rows: float) -> int:
    """Rounded up to two leading digits: 3,041 -> 3,100."""
    unit = 10 ** max(0, math.floor(math.log10(max(rows, 1))) - 1)
    return math.ceil(rows / unit) * unit
