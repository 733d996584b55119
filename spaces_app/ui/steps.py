"""Heading and event options shared by the panels."""

from __future__ import annotations

from typing import Any

import gradio as gr
from markupsafe import Markup

QUIET: dict[str, Any] = {"show_progress": "hidden", "api_visibility": "private"}
"""Options of internal events: no progress overlay, not part of the API."""


def heading(number: int, title: str, said: str) -> gr.HTML:
    """Number, title and one-line description of a step."""
    return gr.HTML(
        Markup(
            '<div class="hm-step"><h2><b aria-hidden="true">{}</b>{}</h2><p>{}</p></div>'
        ).format(number, title, said)
    )
