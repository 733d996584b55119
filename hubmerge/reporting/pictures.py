"""Every picture of a report, drawn from nothing but the report."""

from __future__ import annotations

from hubmerge.reporting.badge import render_badge
from hubmerge.reporting.plots.barrier import render_plot
from hubmerge.reporting.schema.report import Report
from hubmerge.reporting.survey_kinds import KINDS, kind_of

PLOT, BADGE = "barrier.png", "badge.svg"
PICTURES = (PLOT, BADGE, *(kind.picture for kind in KINDS.values()))
"""Files a picture may have."""


def pictures(report: Report) -> dict[str, bytes]:
    """File -> content: the badge, and a PNG of all that was measured and can be drawn."""
    plot = render_plot(report)
    drawn = {BADGE: render_badge(report)} | ({} if plot is None else {PLOT: plot})
    if report.surveys is not None and report.data is not None:
        for seen in report.surveys.seen:
            kind = kind_of(seen)
            drawn[kind.picture] = kind.draw(seen, report.data.unit)
    return drawn
