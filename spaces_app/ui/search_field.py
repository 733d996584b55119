"""A field for an id on the Hub, with suggestions from the Hub."""

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

PASTE = "Type to search, or paste an id or URL of the Hub"
CONNECT = """() => document.querySelector('#{name} input').setAttribute('list', '{name}-names')"""
"""Connects the field with its list of suggestions when it gets the focus: inside a closed accordion
the field does not exist before.
"""


class SearchField:
    """A field whose element id is `name`; the id of its suggestions is `name`-names."""

    def __init__(
        self, context: Context, label: str, name: str, kind: RepoType = "model", info: str = PASTE
    ) -> None:
        self._context, self._name, self._kind = context, name, kind
        with gr.Column(min_width=260):
            self.field = gr.Textbox(label=label, info=info, max_lines=1, elem_id=name)
            self._suggestions = gr.HTML(suggestions(name, ()), elem_classes="hm-offer")

    def wire(self, picked: gr.State) -> None:
        """picked: changes when a suggestion is chosen."""

        def found(typed: str, request: gr.Request) -> tuple[Markup, Any]:
            names = hub.search(self._context.visitor(request), typed, self._kind)
            taken = (self._name, typed) if typed in names else gr.skip()
            return suggestions(self._name, names), taken

        self.field.focus(None, None, None, js=CONNECT.format(name=self._name), **QUIET)
        for event in (self.field.input, self.field.focus):
            event(
                found,
                self.field,
                [self._suggestions, picked],
                trigger_mode="always_last",
                queue=False,
                **QUIET,
            )


def suggestions(name: str, found: Sequence[str]) -> Markup:
    """The suggestions of the field `name`."""
    options = markup.join(Markup('<option value="{}"></option>').format(each) for each in found)
    return Markup('<datalist id="{}-names">{}</datalist>').format(name, options)
