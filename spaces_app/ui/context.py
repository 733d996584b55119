"""What every panel needs: the desk, the host, and who is asking."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import gradio as gr

from spaces_app.host import Host
from spaces_app.service.jobs import JobService
from spaces_app.service.visitors import Person, Sessions, user
from spaces_app.ui.visitor_cookie import cookie_of


@dataclass(frozen=True)
class Context:
    """One per app."""

    jobs: JobService
    host: Host
    sessions: Sessions = field(default_factory=Sessions)

    def person(self, request: Any) -> Person:
        """Who sent `request` (Gradio's, or Starlette's)."""
        signed = _oauth(request) if self.host.on_space else None
        return signed or self.sessions.find(self.visiting(request))

    def visiting(self, request: Any) -> str:
        """The browser's own name; who sends no cookie is known by its address."""
        if named := cookie_of(request):
            return f"browser {named}"
        client = getattr(request, "client", None)
        return f"address {client.host if client else 'unknown'}"


def _oauth(request: Any) -> Person | None:
    """Who signed in with Hugging Face, as Gradio keeps it in the session."""
    inner = request.request if isinstance(request, gr.Request) else request
    session = inner.scope.get("session") if inner is not None else None
    info = (session or {}).get("oauth_info")
    if not info:
        return None
    return user(str(info["userinfo"]["preferred_username"]), str(info["access_token"]))
