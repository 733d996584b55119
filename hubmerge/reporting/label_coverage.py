"""The labels that contenders are measured on: in words, and as the table of card and terminal."""

from __future__ import annotations

from hubmerge.reporting.numbers import count, figure
from hubmerge.reporting.schema.report import Report
from hubmerge.utils.parent_names import display_name, listed, roles


def remark(report: Report) -> str:
    """How a verdict over all labels is qualified; empty where all parents know all."""
    heads = report.heads
    return "" if heads is None else partial(heads.labels, heads.known_by)


def partial(labels: int, known: list[int]) -> str:
    """That parents know only so many of the labels, each; empty where all know all of them."""
    if all(each == labels for each in known):
        return ""
    return f" Of the {count(labels)} labels, the parents know {listed([*map(count, known)])}."


def sentences(report: Report) -> list[str]:
    """How the figures over all labels, and those over one parent's, are to be read."""
    heads = report.heads
    assert heads is not None
    said = [
        f"All are measured over the {count(heads.labels)} labels that some parent knows. A parent "
        "is never right on a label it does not know; its loss assigns such a label the probability "
        f"of chance, 1/{count(heads.labels)}."
    ]
    if heads.outputs > heads.labels:
        said.append(
            "Where the merge has several outputs for one label, their probabilities are added."
        )
    said.append(
        "In the column of a parent's labels, only rows with these labels count, and only these "
        "labels can be predicted."
    )
    return said


def table(report: Report) -> list[list[str]]:
    """Accuracy over all labels, and over those of each parent; the first line is the head."""
    heads = report.heads
    assert heads is not None
    columns = [
        f"{display_name(each.parent)}'s {count(each.labels)} labels, {count(each.rows)} rows"
        for each in heads.known
    ]
    names = [*roles("parent", len(report.models)), "naive", "merge"]
    shown = {"naive": "naive average", "merge": "this merge"}
    lines = [["", f"all {count(heads.labels)} labels, {count(report.n)} rows", *columns]]
    for name in names:
        overall = getattr(report.contenders, name).accuracy
        own = [figure(each.accuracy.get(name)) for each in heads.known]
        lines.append([shown.get(name) or display_name(name), figure(overall), *own])
    return lines
