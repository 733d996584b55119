"""The templates of this package, in which every value is escaped as it is printed.

What is meant as markup says so.
"""

from __future__ import annotations

from functools import cache
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from hubmerge.reporting import barrier_text as heights
from hubmerge.reporting import escape
from hubmerge.reporting import numbers as figures
from hubmerge.reporting.survey_kinds import Table
from hubmerge.utils.parent_names import display_name, listed
from hubmerge.utils.row_files import local_noun


@cache
def environment() -> Environment:
    """Where templates are found, and what they may say."""
    filters: dict[str, Any] = {
        "barrier": heights.barrier_cell,
        "code": escape.code,
        "collection": _collection,
        "count": figures.count,
        "duration": figures.duration,
        "figure": figures.figure,
        "listed": _listed,
        "local_noun": local_noun,
        "markdown_table": as_markdown,
        "markup": Markup,
        "python_name": Markup,
        "python_string": escape.python_string,
        "share": figures.share,
        "shell_word": escape.shell_word,
        "signed": figures.signed,
        "together": _together,
        "zip": zip,
        "display_name": display_name,
    }
    found = Environment(
        loader=PackageLoader("hubmerge.reporting"),
        autoescape=True,
        finalize=escape.markdown,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    found.filters.update(filters)
    return found


def as_markdown(table: Table) -> Markup:
    """The table, safe in Markdown."""
    lines = [table.head, *table.rows]
    cells = [" | ".join(escape.markdown(cell) for cell in line) for line in lines]
    rule = "|:--|" + "--:|" * (len(table.head) - 1)
    return Markup("\n".join([f"| {cells[0]} |", rule, *(f"| {row} |" for row in cells[1:])]))


def _together(names: list[str]) -> Markup:
    """ "A and B", "A, B and C", each safe in Markdown."""
    return Markup(listed([str(escape.markdown(name)) for name in names]))


def _collection(slug: str) -> str:
    """ "small models, by org" of "org/small-models-64f9..."."""
    owner, _, name = slug.partition("/")
    return f"{name.rpartition('-')[0].replace('-', ' ')}, by {owner}"


def _listed(licences: str | list[str] | None) -> str:
    return licences if isinstance(licences, str) else ", ".join(licences or ())
