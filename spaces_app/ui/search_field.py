"""A field for an id on the Hub, with what the Hub finds below it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import gradio as gr
from markupsafe import Markup

from hubmerge.hub.source import RepoType
from hubmerge.reporting.numbers import count
from spaces_app.service import hub_queries as hub
from spaces_app.service.hub_queries import Found
from spaces_app.ui import markup
from spaces_app.ui.context import Context
from spaces_app.ui.steps import PLAIN, QUIET
from spaces_app.ui.strict_page import told

PASTE = "Type to search, or paste an id or URL of the Hub"
PICK = """element.addEventListener('mousedown', (event) => event.preventDefault());
element.addEventListener('click', (event) => {
  const chosen = event.target.closest('[data-pick]');
  if (!chosen) return;
  element.closest('.hm-search')?.classList.add('hm-closed');
  trigger('select', {pick: chosen.dataset.pick});
});"""
"""Tells the page which suggestion was chosen; the field keeps the focus until then."""


class SearchField:
    """A field whose element id is `name`; its suggestions stand in the element `name`-found."""

    def __init__(
        self, context: Context, label: str, name: str, kind: RepoType = "model", info: str = PASTE
    ) -> None:
        self._context, self._name, self._kind = context, name, kind
        with gr.Column(min_width=260, elem_classes="hm-search"):
            self.field = gr.Textbox(label=label, info=info, max_lines=1, elem_id=name)
            self._found = gr.HTML(elem_id=f"{name}-found", js_on_load=PICK, **PLAIN)

    def wire(self, beside: SearchField | None = None) -> Any:
        """Connect the field with its suggestions; returns the event that takes one of them.

        beside: the field of the model with which this one's is to be merged.
        """

        def found(typed: str, other: str, request: gr.Request) -> Markup:
            visitor = self._context.visitor(request)
            known = hub.describe(visitor, other or "") if beside is not None else None
            return suggestions(hub.search(visitor, typed or "", self._kind, known), known)

        def chosen(event: gr.EventData) -> tuple[str, Markup]:
            return str(told(event, "pick"))[:200], markup.NONE

        other = self.field if beside is None else beside.field
        for event in (self.field.input, self.field.focus):
            event(
                found,
                [self.field, other],
                self._found,
                trigger_mode="always_last",
                queue=False,
                **QUIET,
            )
        shown = [self.field, self._found]
        return self._found.select(chosen, None, shown, queue=False, **QUIET)


def suggestions(found: Sequence[Found], beside: Found | None = None) -> Markup:
    """Repositories as buttons, with what the Hub says of them: arrows lead to them, and Tab past.

    beside: a model with which they are to be merged; what cannot be says why.
    """
    if not found:
        return markup.NONE
    lines = markup.join(_suggestion(each, beside) for each in found)
    # What scrolls would be a stop of Tab by itself, since nothing within it is one.
    return Markup(
        '<div class="hm-found" role="group" aria-label="Found on the Hub" tabindex="-1">{}</div>'
    ).format(lines)


def _suggestion(found: Found, beside: Found | None) -> Markup:
    reason = None if beside is None else hub.why_not(found, beside)
    note = Markup('<span class="hm-why">{}</span>').format(markup.text(reason)) if reason else ""
    owner, _, name = found.id.rpartition("/")
    face = Markup('<span class="hm-face" aria-hidden="true">{}</span>').format(
        markup.text(owner[:1].upper())
    )
    return Markup(
        '<button type="button" tabindex="-1" data-pick="{}" class="{}">{}<span><b>{}/{}</b>'
        '<span class="hm-quiet">{}</span>{}</span></button>'
    ).format(
        found.id,
        "hm-unfit" if reason else "",
        face,
        markup.text(owner),
        markup.text(name),
        markup.text(" · ".join(said_of(found))),
        note,
    )


def said_of(found: Found) -> list[str]:
    """What a list of the Hub says of a repository, in short."""
    size = None if found.parameters is None else f"{short(found.parameters)} weights"
    likes = None if found.likes is None else f"{count(found.likes)} likes"
    downloads = None if found.downloads is None else f"{count(found.downloads)} downloads"
    hidden = "private" if found.private else None
    kind = "adapter" if found.adapter else None
    said = (kind, found.task, found.family, size, downloads, likes, found.licence, hidden)
    return [each for each in said if each]


def short(number: int) -> str:
    """1234567 -> "1.2 M"."""
    for unit, name in ((10**9, "B"), (10**6, "M"), (10**3, "k")):
        if number >= unit:
            return f"{number / unit:.3g} {name}"
    return str(number)
