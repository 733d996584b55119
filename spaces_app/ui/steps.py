"""What the panels of the five steps have in common."""

from __future__ import annotations

from typing import Any

import gradio as gr
from markupsafe import Markup

QUIET: dict[str, Any] = {"show_progress": "hidden", "api_visibility": "private"}
"""Events of the page's own: no veil over what they change, and not part of the API."""


def heading(number: int, title: str, said: str) -> gr.HTML:
    """A step's number, name and one line about it."""
    return gr.HTML(
        Markup(
            '<div class="hm-step"><h2><b aria-hidden="true">{}</b>{}</h2><p>{}</p></div>'
        ).format(number, title, said)
    )
