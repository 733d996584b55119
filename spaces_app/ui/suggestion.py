"""A value that the app suggests for a field, and that never takes the place of what was typed."""

from __future__ import annotations

from typing import Any

import gradio as gr

from spaces_app.ui.steps import QUIET

TAKE = """(offered, typed, taken) => {
  const free = !(typed || '').trim() || typed === taken;
  return offered && offered !== taken && free ? [offered, offered] : [typed, taken];
}"""
"""Decides in the browser, where what is typed while the app answers is known."""


class Suggestion:
    """The newest suggestion for a field: taken while the field is empty or holds an earlier one.

    A suggestion that was taken is not made again: who empties the field wants it empty.
    """

    def __init__(self, field: gr.Textbox) -> None:
        self._field = field
        self.offered = gr.Textbox(visible="hidden", container=False)
        """What functions of the app write instead of the field itself."""
        self._taken = gr.Textbox(visible="hidden", container=False)

    @property
    def _event(self) -> dict[str, Any]:
        shown = [self._field, self._taken]
        return {"fn": None, "inputs": [self.offered, *shown], "outputs": shown, "js": TAKE, **QUIET}

    def wire(self) -> None:
        """Take every new suggestion as it comes."""
        self.offered.change(**self._event)

    def after(self, event: Any) -> Any:
        """Take what that event suggested, before whatever comes next; returns the event."""
        return event.then(**self._event)
