"""HTML with every inserted text escaped."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from urllib.parse import quote

from markupsafe import Markup, escape

from hubmerge.hub.client import endpoint
from hubmerge.reporting.escape import one_line
from spaces_app.service.job import Refusal
from spaces_app.ui.wording import PAGE

NONE = Markup("")


def figure_term(shown: object, meaning: str) -> Markup:
    """A figure with its explanation: by pointing, tapping or a screen reader, not by tabbing."""
    return Markup(
        '<span class="hm-term hm-figure-term" tabindex="-1">{}<span role="tooltip">{}</span></span>'
    ).format(shown, meaning)


OPENERS = ("a", "an", "its", "no", "not", "nothing", "only", "some", "the", "there", "this", "you")
"""Words that begin a sentence, and are no names."""
LONGEST = 400
"""Characters of a text that are shown on one line of the page."""


def text(value: object) -> Markup:
    """`value` on one line, without control characters or anything active, cut where it is long."""
    line = one_line(str(value)[: 20 * LONGEST])
    return escape(line if len(line) <= LONGEST else f"{line[:LONGEST]}…")


def join(parts: Iterable[object], between: str = "") -> Markup:
    """Parts joined, each escaped."""
    return Markup(between).join(map(escape, parts))


def term(word: object, meaning: str) -> Markup:
    """A term with its explanation as a tooltip."""
    return Markup(
        '<span class="hm-term" tabindex="0">{}<span role="tooltip">{}</span></span>'
    ).format(word, meaning)


def folded(summary: object, body: object) -> Markup:
    """Something that is opened by a click on its summary."""
    return Markup('<details class="hm-more"><summary>{}</summary>{}</details>').format(
        summary, body
    )


def table(head: Iterable[object], rows: Iterable[Iterable[object]], caption: str) -> Markup:
    """A scrollable table whose first column names the row."""
    header = join(Markup('<th scope="col">{}</th>').format(cell) for cell in head)
    body = join(
        Markup("<tr>{}</tr>").format(
            join(
                Markup("<td>{}</td>" if place else '<th scope="row">{}</th>').format(cell)
                for place, cell in enumerate(row)
            )
        )
        for row in rows
    )
    return Markup(
        '<div class="hm-scroll" tabindex="0" role="region" aria-label="{}"><table>'
        "<caption>{}</caption><thead><tr>{}</tr></thead><tbody>{}</tbody></table></div>"
    ).format(caption, caption, header, body)


def stacking_table(
    head: Sequence[tuple[str, object]], rows: Iterable[Iterable[object]], caption: str
) -> Markup:
    """As `table`, but on a phone every row is a card: its first cell, and names beside the others.

    head: of every column its name in plain text, and its heading. Roles are spelled out, since
    browsers forget those of a table that is laid out as anything else.
    """
    header = join(
        Markup('<th scope="col" role="columnheader">{}</th>').format(shown) for _, shown in head
    )
    first = Markup('<th scope="row" role="rowheader">{}</th>')
    cell = Markup('<td role="cell" data-label="{}"><span>{}</span></td>')
    body = join(
        Markup('<tr role="row">{}</tr>').format(
            join(
                cell.format(name, value) if place else first.format(value)
                for place, ((name, _), value) in enumerate(zip(head, row, strict=True))
            )
        )
        for row in rows
    )
    return Markup(
        '<div class="hm-scroll hm-stack" tabindex="0" role="region" aria-label="{}">'
        '<table role="table"><caption>{}</caption><thead role="rowgroup"><tr role="row">{}</tr>'
        '</thead><tbody role="rowgroup">{}</tbody></table></div>'
    ).format(caption, caption, header, body)


def facts(pairs: Iterable[tuple[object, object]]) -> Markup:
    """A list of names and values."""
    lines = join(Markup("<div><dt>{}</dt><dd>{}</dd></div>").format(*pair) for pair in pairs)
    return Markup('<dl class="hm-facts">{}</dl>').format(lines)


def card(title: object, body: object, kind: str = "") -> Markup:
    """A box with a heading."""
    return Markup('<section class="hm-card {}"><h3>{}</h3>{}</section>').format(kind, title, body)


def refusal(said: Refusal, heading: str = "This cannot be done") -> Markup:
    """Why something did not come about: what, what was found, what to try."""
    said = said.worded(PAGE)
    parts = [Markup("<p><strong>{}</strong></p>").format(text(sentence(said.what)))]
    if said.found:
        found = join((text(line) for line in said.found.splitlines()[:8]), "<br>")
        parts.append(Markup('<p class="hm-quiet">{}</p>').format(found))
    if said.hint:
        hint = join((text(line) for line in said.hint.splitlines()[:8]), "<br>")
        parts.append(Markup("<p>Try: {}</p>").format(hint))
    body = Markup('<div role="alert">{}</div>').format(join(parts))
    return card(heading, body, "hm-refused")


def sentence(what: str) -> str:
    """What an error says, as a sentence begins; a name that it begins with stays as it is."""
    first, _, _ = what.partition(" ")
    return what[:1].upper() + what[1:] if first in OPENERS else what


def on_hub(repo: str, kind: str = "model") -> Markup:
    """A link to a repository's page."""
    folder = "datasets/" if kind == "dataset" else ""
    return link(f"{endpoint()}/{folder}{quote(repo)}", text(repo))


def link(address: str, said: object) -> Markup:
    """A link that opens beside the page."""
    return Markup('<a href="{}" target="_blank" rel="noopener noreferrer">{}</a>').format(
        address, said
    )
