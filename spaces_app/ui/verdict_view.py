"""A verdict as a mark, as a sentence, and explained in plain words."""

from __future__ import annotations

from markupsafe import Markup

from hubmerge.reporting.schema.report import Report
from spaces_app.ui.markup import text

LOOKS = {
    "do not use": "hm-bad",
    "worse": "hm-warn",
    "cannot tell": "hm-warn",
    "not judged": "hm-warn",
    "as good": "hm-good",
    "better than both parents": "hm-good",
    "better than all parents": "hm-good",
}
"""Verdict -> how it looks."""
SURELY = "More than chance explains, on rows that were used for nothing else."
EXPLAINED = {
    "do not use": "The merge lost far more than its parents: use one of them instead.",
    "worse": "It works, but one of its parents does measurably better on these rows.",
    "cannot tell": "The difference to its parents is within what chance gives on so few rows.",
    "not judged": "Rows of its task have no loss, by which merges are judged: read the figures.",
    "as good": "It can stand in for its parents: what it may lose is less than a hundredth.",
    "better than both parents": SURELY,
    "better than all parents": SURELY,
}
UNMEASURED = "Nothing was measured: choose a data set, and the merge is compared with its parents."


def is_bad(verdict: str) -> bool:
    """Whether a merge with that verdict should not be shown around as it is."""
    return LOOKS.get(verdict) != "hm-good"


def chip(verdict: str | None) -> Markup:
    """The verdict as a coloured mark; what is no verdict of hubmerge's is shown without colour."""
    return Markup('<span class="hm-chip {}">{}</span>').format(
        LOOKS.get(verdict or "", ""), text(verdict or "not stated")
    )


def told(report: Report) -> Markup:
    """The verdict's sentence: what it says first as a mark, and its figures below."""
    first, _, rest = report.verdict_sentence.partition(":")
    rest = rest.strip()
    return Markup(
        '<div class="hm-verdict"><p><span class="hm-chip {}">{}</span></p>{}</div>'
    ).format(
        LOOKS[report.verdict],
        text(first),
        Markup("<p>{}</p>").format(text(rest[:1].upper() + rest[1:])) if rest else "",
    )


def explained(report: Report) -> str:
    """What the verdict means, for a person new to merging."""
    return EXPLAINED[report.verdict] if report.data is not None else UNMEASURED
