"""The report as a notebook shows it: verdict, table of the contenders, barrier."""

from __future__ import annotations

from collections.abc import Sequence

from markupsafe import Markup

from hubmerge.reporting import barrier_text as heights
from hubmerge.reporting import numbers as figures
from hubmerge.reporting.escape import one_line
from hubmerge.reporting.schema.report import Report


def report_html(report: Report) -> str:
    """HTML in which everything that the report holds is escaped."""
    said = [Markup("<p><strong>{}</strong></p>").format(one_line(report.verdict_sentence))]
    if report.data:
        said += [_table(report), Markup("<p>{}</p>").format(heights.barrier_sentence(report))]
    limits = Markup("").join(Markup("<li>{}</li>").format(one_line(each)) for each in report.limits)
    return str(Markup("").join([*said, Markup("<ul>{}</ul>").format(limits)]))


def _table(report: Report) -> Markup:
    table = figures.contender_table(report, short=True)
    head = ["", *table.headings]
    lines = [
        [f"{row.name}, {one_line(row.model)}" if row.model else row.name, *cells]
        for row, cells in zip(table.rows, table.cells, strict=True)
    ]
    body = Markup("").join(_line("td", line) for line in lines)
    return Markup("<table>{}{}</table>").format(_line("th", head), body)


def _line(tag: str, cells: Sequence[str]) -> Markup:
    cell = Markup(f"<{tag}>{{}}</{tag}>")
    return Markup("<tr>{}</tr>").format(Markup("").join(cell.format(each) for each in cells))
