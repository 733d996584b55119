"""The gallery's page: merges of the connected Hub, and the best of those that were verified."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import gradio as gr
from markupsafe import Markup

from spaces_app.service.gallery import ORDERS, GalleryEntry, chosen, leaderboards
from spaces_app.service.job import Refused
from spaces_app.ui import gallery_view, leaderboard_view, markup
from spaces_app.ui.account import title
from spaces_app.ui.context import Context
from spaces_app.ui.steps import QUIET

ANY = ""
"""Value of a filter that is not set."""
FILTERS = ("task", "family", "verdict", "verified")

EVERY = {
    "task": "every task",
    "family": "every family",
    "verdict": "every verdict",
    "verified": "verified or not",
}


class GalleryPage:
    """All merges with filters and an order, and the leaderboards."""

    def __init__(self, page: gr.Blocks, context: Context) -> None:
        self._context = context
        gr.Navbar(main_page_name="Merge")
        with gr.Row(elem_classes="hm-top"):
            title()
        gr.HTML("<h2>Merge gallery</h2>")
        self._entries = gr.State([])
        with gr.Tab("All merges", elem_id="all"):
            self._all()
        with gr.Tab("Leaderboards", elem_id="best"):
            self._best = gr.HTML(elem_id="leaderboards")
        outputs = [self._entries, self._shown, self._best, *self._filters]
        page.load(self._load, None, outputs, queue=False, **QUIET)

    def _all(self) -> None:
        """Filters, an order, and every merge."""
        with gr.Row():
            self._filters = [
                gr.Dropdown(
                    [(EVERY[field], ANY)],
                    value=ANY,
                    label=field.capitalize(),
                    min_width=150,
                    elem_id=f"by-{field}",
                )
                for field in FILTERS
            ]
            self._order = gr.Dropdown(
                list(ORDERS), value=next(iter(ORDERS)), label="Order", min_width=150, elem_id="by"
            )
        self._shown = gr.HTML(elem_id="gallery")
        inputs = [self._entries, self._order, *self._filters]
        gr.on(
            [each.input for each in (*self._filters, self._order)],
            show,
            inputs,
            self._shown,
            queue=False,
            trigger_mode="always_last",
            **QUIET,
        )

    def _load(self, request: gr.Request) -> list[Any]:
        try:
            entries = self._context.jobs.gallery(self._context.visitor(request))
        except Refused as error:
            refused = markup.refusal(error.refusal, "The gallery cannot be shown")
            return [[], refused, refused, *(gr.skip() for _ in FILTERS)]
        offered = [gr.update(choices=choices(entries, field)) for field in FILTERS]
        best = leaderboard_view.render(
            leaderboards(entries, self._context.jobs.limits.leaderboard_rows),
            self._context.jobs.limits.leaderboard_rows,
            verifies=self._context.host.verifies,
        )
        return [entries, gallery_view.render(entries), best, *offered]


def choices(entries: Sequence[GalleryEntry], field: str) -> list[tuple[str, str]]:
    """What a filter offers: (shown, value)."""
    values = {getattr(entry, field) for entry in entries} - {None}
    named = [(str(markup.text(value)), value) for value in sorted(values)]
    return [(EVERY[field], ANY), *named]


def show(entries: Sequence[GalleryEntry], order: str, *wanted: str | None) -> Markup:
    """The table of what was chosen."""
    given = {field: value or None for field, value in zip(FILTERS, wanted, strict=True)}
    known = isinstance(order, str) and order in ORDERS
    kept = chosen(entries, order if known else next(iter(ORDERS)), **given)
    if entries and not kept:
        return gallery_view.NONE_SUCH
    return gallery_view.render(kept)
