"""Steps of the page, which fold, and event options shared by the panels."""

from __future__ import annotations

from typing import Any

import gradio as gr

from hubmerge.reporting.escape import one_line

QUIET: dict[str, Any] = {"show_progress": "hidden", "api_visibility": "private"}
"""Options of internal events: no progress overlay, not part of the API."""
PLAIN: dict[str, Any] = {"apply_default_css": False, "elem_classes": "hm-own"}
"""Options of HTML with buttons of our own."""
LONGEST = 140
"""Characters of a step's title."""


def step(number: int, title: str, name: str, *, open: bool = True, visible: bool = True) -> Any:
    """A step with the element id `name`, as a fold that can be closed once it is done."""
    return gr.Accordion(
        label=titled(number, title),
        open=open,
        visible=visible,
        elem_id=name,
        elem_classes="hm-fold",
    )


def titled(number: int, title: str) -> str:
    """What stands on a fold, in one line."""
    line = one_line(title)
    return f"{number} · {line if len(line) <= LONGEST else line[: LONGEST - 1] + '…'}"
