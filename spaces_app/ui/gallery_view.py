"""Merges on the connected Hub, told by the metadata of their cards."""

from __future__ import annotations

from collections.abc import Sequence
from urllib.parse import urlencode

from markupsafe import Markup

from hubmerge.reporting.numbers import MISSING, count, figure
from spaces_app.service.gallery import GalleryEntry
from spaces_app.ui.markup import NONE, join, on_hub, table, term, text
from spaces_app.ui.report_view import BARRIER

EMPTY = Markup('<p class="hm-quiet">No merge was published with hubmerge on this Hub yet.</p>')
PRIVATE = Markup('<span class="hm-quiet">(private)</span>')
CLAIMED = (
    "These figures are what the cards say. `hubmerge verify` makes a merge again and checks them."
)


def render(exhibits: Sequence[GalleryEntry]) -> Markup:
    """A line per merge, the newest first."""
    if not exhibits:
        return EMPTY
    lines = [
        (
            join([on_hub(each.id), PRIVATE if each.private else NONE], " "),
            text(each.verdict or "not stated"),
            figure(each.accuracy),
            figure(each.barrier),
            count(each.rows) if each.rows is not None else MISSING,
            join((on_hub(parent) for parent in each.parents), ", ") or MISSING,
            text(each.updated),
            again(each),
        )
        for each in exhibits
    ]
    head = (
        "merge",
        "verdict",
        "accuracy",
        term("barrier (nats)", BARRIER),
        "measured on rows",
        "parents",
        "published",
        "try",
    )
    note = Markup('<p class="hm-quiet">{}</p>').format(CLAIMED.replace("`", ""))
    return join([table(head, lines, "Merges made with hubmerge on this Hub"), note])


def again(gallery_entry: GalleryEntry) -> Markup:
    """A link that fills the parents and the data into the first page; nothing where it cannot."""
    if len(gallery_entry.parents) < 2:
        return Markup(MISSING)
    a, b, *more = gallery_entry.parents
    fields = {"a": a, "b": b, "more": " ".join(more), "data": gallery_entry.data or ""}
    asked = urlencode({name: value for name, value in fields.items() if value})
    return Markup('<a href="./?{}">merge its parents</a>').format(asked)
