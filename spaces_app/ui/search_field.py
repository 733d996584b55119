"""A field for a name on the Hub: what the Hub has is offered while somebody types."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import gradio as gr
from markupsafe import Markup

from hubmerge.hub.source import RepoType
from spaces_app.service import hub_queries as hub
from spaces_app.ui import markup
from spaces_app.ui.context import Context
from spaces_app.ui.steps import QUIET

PASTE = "Type to search, or paste a name or an address of the Hub"
CONNECT = """() => document.querySelector('#{name} input').setAttribute('list', '{name}-names')"""
"""Shows what the Hub offers below the field, as the browser does it. A fold has no field before it
is opened.
"""


class Search:
    """One field. Its element is called `name`, what it offers `name`-names."""

    def __init__(
        self, context: Context, label: str, name: str, kind: RepoType = "model", info: str = PASTE
    ) -> None:
        self._context, self._name, self._kind = context, name, kind
        with gr.Column(min_width=260):
            self.field = gr.Textbox(label=label, info=info, max_lines=1, elem_id=name)
            self._offers = gr.HTML(offer(name, ()), elem_classes="hm-offer")

    def wire(self, picked: gr.State) -> None:
        """picked: changes once what stands in the field is a name that was offered."""

        def found(typed: str, request: gr.Request) -> tuple[Markup, Any]:
            names = hub.search(self._context.person(request), typed, self._kind)
            taken = (self._name, typed) if typed in names else gr.skip()
            return offer(self._name, names), taken

        self.field.focus(None, None, None, js=CONNECT.format(name=self._name), **QUIET)
        for event in (self.field.input, self.field.focus):
            event(
                found,
                self.field,
                [self._offers, picked],
                trigger_mode="always_last",
                queue=False,
                **QUIET,
            )


def offer(name: str, found: Sequence[str]) -> Markup:
    """What the field `name` offers to be taken."""
    options = markup.join(Markup('<option value="{}"></option>').format(each) for each in found)
    return Markup('<datalist id="{}-names">{}</datalist>').format(name, options)
