"""The gallery: merges on the connected Hub."""

from __future__ import annotations

from collections.abc import Sequence
from urllib.parse import quote

from markupsafe import Markup

from hubmerge.hub.client import endpoint
from hubmerge.reporting.numbers import MISSING, count, figure
from hubmerge.reporting.pictures import PLOT
from spaces_app.service.gallery import GalleryEntry
from spaces_app.ui import proof_view
from spaces_app.ui.markup import NONE, join, on_hub, stacking_table, term, text
from spaces_app.ui.models_panel import to_query
from spaces_app.ui.report_view import BARRIER
from spaces_app.ui.verdict_view import chip

NONE_SUCH = Markup('<p class="hm-quiet" role="status">No merge is like that.</p>')
EMPTY = Markup('<p class="hm-quiet">No merge was published with hubmerge on this Hub yet.</p>')
PRIVATE = Markup('<span class="hm-quiet">(private)</span>')
CLAIMED = (
    "Figures as the cards state them. Where a merge is marked, this app verified them: its newest "
    "commit was measured again, or made again and measured again. hubmerge verify does the same."
)


BARRIERS = "barrier (nats)"
SHOWN = 60
"""Rows of the table."""


def render(entries: Sequence[GalleryEntry]) -> Markup:
    """A row per merge, in their order."""
    if not entries:
        return EMPTY
    entries, further = entries[:SHOWN], len(entries) - SHOWN
    lines = [
        (
            _named(each),
            join([chip(each.verdict), proof_view.mark(each.proof)], " "),
            text(each.task or MISSING),
            text(each.family or MISSING),
            figure(each.accuracy),
            figure(each.barrier),
            count(each.rows) if each.rows is not None else MISSING,
            text(each.updated),
        )
        for each in entries
    ]
    names = ("merge", "verdict", "task", "family", "accuracy", BARRIERS, "rows", "published")
    head = [(name, term(name, BARRIER) if name == BARRIERS else name) for name in names]
    note = Markup('<p class="hm-quiet">{}{}</p>').format(
        f"{count(further)} more: filter to see them. " if further > 0 else "", CLAIMED
    )
    return join([stacking_table(head, lines, "Merges made with hubmerge on this Hub"), note])


def _named(entry: GalleryEntry) -> Markup:
    """Curves and name of a merge, and what it was made of."""
    of = join((on_hub(parent) for parent in entry.parents), ", ")
    again = merge_again_link(entry)
    below = [Markup('<span class="hm-quiet">of {}</span>').format(of)] if entry.parents else []
    below += [again] if again else []
    name = join([on_hub(entry.id), PRIVATE if entry.private else NONE], " ")
    return Markup('<div class="hm-entry">{}<div>{}</div></div>').format(
        _picture(entry), join([name, *below], "<br>")
    )


def _picture(entry: GalleryEntry) -> Markup:
    """The curves of a public merge, from its repository."""
    if entry.private:
        return NONE
    address = f"{endpoint()}/{quote(entry.id)}/resolve/main/{PLOT}"
    image = '<img src="{}" alt="" loading="lazy" referrerpolicy="no-referrer">'
    return Markup(f'<span class="hm-shot">{image}</span>').format(address)


def merge_again_link(entry: GalleryEntry) -> Markup:
    """A link that fills in the parents and the data set; nothing with fewer than two parents."""
    if len(entry.parents) < 2:
        return NONE
    asked = to_query(entry.parents, entry.data)
    return Markup('<a href="./?{}">merge its parents</a>').format(asked)
