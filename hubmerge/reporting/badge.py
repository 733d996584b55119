"""The badge of a merge: its verdict in one line, to be shown in other READMEs."""

from __future__ import annotations

from markupsafe import Markup

from hubmerge.reporting.schema.report import Report, VerdictName
from hubmerge.reporting.verdict import headline

TOOL = "hubmerge"
GREEN, RED, GREY, DARK = "#00694c", "#a33b06", "#59636e", "#2b3137"
"""Their contrast with white is at least 5 : 1."""
COLOURS: dict[VerdictName, str] = {
    "better than both parents": GREEN,
    "better than all parents": GREEN,
    "as good": GREEN,
    "worse": RED,
    "do not use": RED,
}
"""Of verdicts that say something; the others are grey."""

WIDTH, MARGIN = 6.4, 8
"""Pixels a letter takes, and on either side of a word. Letters are drawn as wide as that, whatever
fonts there are."""

FRAME = Markup(
    '<svg xmlns="http://www.w3.org/2000/svg" width="{whole}" height="20" role="img" '
    'aria-label="{tool}: {said}"><title>{tool}: {said}</title>'
    '<rect width="{whole}" height="20" rx="3" fill="{colour}"/>'
    '<path fill="{dark}" d="M3 0h{straight}v20H3a3 3 0 0 1-3-3V3a3 3 0 0 1 3-3z"/>'
    '<g fill="#fff" font-family="Verdana,DejaVu Sans,sans-serif" font-size="11">'
    '<text x="{margin}" y="14" textLength="{first}">{tool}</text>'
    '<text x="{start}" y="14" textLength="{second}">{said}</text></g></svg>\n'
)


def render_badge(report: Report) -> bytes:
    """The SVG file."""
    said = headline(report.verdict_sentence)
    first, second = (round(WIDTH * len(words)) for words in (TOOL, said))
    left = first + 2 * MARGIN
    return FRAME.format(
        tool=TOOL,
        said=said,
        colour=COLOURS.get(report.verdict, GREY),
        dark=DARK,
        whole=left + second + 2 * MARGIN,
        straight=left - 3,
        margin=MARGIN,
        first=first,
        start=left + MARGIN,
        second=second,
    ).encode()


def badge_line(report: Report, address: str) -> str:
    """A line of Markdown that shows the badge of the repository at `address`, and leads there."""
    said = f"{TOOL}: {headline(report.verdict_sentence)}"
    return f"[![{said}]({address}/resolve/main/badge.svg)]({address})"
