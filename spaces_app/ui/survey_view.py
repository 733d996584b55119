"""Surveys with their pictures, and the steps of a soup."""

from __future__ import annotations

from markupsafe import Markup

from hubmerge.reporting.numbers import figure, share
from hubmerge.reporting.schema.report import Report
from hubmerge.reporting.survey_kinds import kind_of
from hubmerge.utils.parent_names import display_name, roles
from spaces_app.ui.markup import NONE, join, table, text


def surveys(report: Report, job: str) -> Markup:
    """Each survey with title, sentence, picture and figures."""
    if report.surveys is None or not report.surveys.seen:
        return NONE
    parts = []
    for seen in report.surveys.seen:
        kind = kind_of(seen)
        picture = Markup('<img src="jobs/{}/{}" alt="{}" class="hm-picture">').format(
            job, kind.picture, kind.alt
        )
        tables = [table(each.head, each.rows, kind.title) for each in kind.tables(seen)]
        parts.append(
            Markup('<section><h3>{}</h3><p>{}</p><figure class="hm-figure">{}</figure>{}</section>')
            .format(kind.title, text(seen.sentence), picture, join(tables))
        )  # fmt: skip
    return join(parts)


def soup(report: Report) -> Markup:
    """The models a soup took step by step, and their weights."""
    method = report.method
    parts = []
    if method.soup is not None:
        lines = [
            (
                str(number),
                display_name(step.ingredient),
                figure(step.alone),
                figure(step.soup),
                "taken" if step.taken else "left out",
            )
            for number, step in enumerate(method.soup.steps, 1)
        ]
        head = ("step", "model", f"{method.soup.metric} alone", "all taken so far and it", "")
        parts.append(table(head, lines, "The soup, step by step, on validation rows"))
    if method.ingredients is not None:
        names = roles("parent", len(method.ingredients))
        own = [
            (display_name(name), share(weight))
            for name, weight in zip(names, method.ingredients, strict=True)
        ]
        parts.append(table(("model", "weighs"), own, "What each model weighs"))
    return join(parts)
