"""The gallery: merges on the connected Hub."""

from __future__ import annotations

from collections.abc import Sequence
from urllib.parse import quote, urlencode

from markupsafe import Markup

from hubmerge.hub.client import endpoint
from hubmerge.reporting.numbers import MISSING, count, figure
from hubmerge.reporting.pictures import PLOT
from spaces_app.service.gallery import GalleryEntry
from spaces_app.ui.markup import NONE, join, on_hub, table, term, text
from spaces_app.ui.report_view import BARRIER
from spaces_app.ui.verdict_view import chip

NONE_SUCH = Markup('<p class="hm-quiet" role="status">No merge is like that.</p>')
EMPTY = Markup('<p class="hm-quiet">No merge was published with hubmerge on this Hub yet.</p>')
PRIVATE = Markup('<span class="hm-quiet">(private)</span>')
CLAIMED = (
    "Figures as the cards state them. `hubmerge verify` checks what is loaded, measures it again, "
    "and makes the merge again."
)


def render(entries: Sequence[GalleryEntry]) -> Markup:
    """A row per merge, the newest first."""
    if not entries:
        return EMPTY
    lines = [
        (
            join([_picture(each), on_hub(each.id), PRIVATE if each.private else NONE], " "),
            chip(each.verdict),
            text(each.task or MISSING),
            text(each.family or MISSING),
            figure(each.accuracy),
            figure(each.barrier),
            count(each.rows) if each.rows is not None else MISSING,
            join((on_hub(parent) for parent in each.parents), ", ") or MISSING,
            text(each.updated),
            merge_again_link(each),
        )
        for each in entries
    ]
    head = (
        "merge",
        "verdict",
        "task",
        "family",
        "accuracy",
        term("barrier (nats)", BARRIER),
        "measured on rows",
        "parents",
        "published",
        "try",
    )
    note = Markup('<p class="hm-quiet">{}</p>').format(CLAIMED.replace("`", ""))
    return join([table(head, lines, "Merges made with hubmerge on this Hub"), note])


def _picture(entry: GalleryEntry) -> Markup:
    """The curves of a public merge, from its repository."""
    if entry.private:
        return NONE
    address = f"{endpoint()}/{quote(entry.id)}/resolve/main/{PLOT}"
    image = '<img src="{}" alt="" loading="lazy" referrerpolicy="no-referrer" class="hm-shot">'
    return Markup(image).format(address)


def merge_again_link(entry: GalleryEntry) -> Markup:
    """A link that fills in the parents and the data set; nothing with fewer than two parents."""
    if len(entry.parents) < 2:
        return Markup(MISSING)
    a, b, *more = entry.parents
    fields = {"a": a, "b": b, "more": " ".join(more), "data": entry.data or ""}
    asked = urlencode({name: value for name, value in fields.items() if value})
    return Markup('<a href="./?{}">merge its parents</a>').format(asked)
