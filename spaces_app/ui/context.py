"""What every panel needs: the service, the host and the visitor of a request."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import gradio as gr

from spaces_app.host import Host
from spaces_app.service.jobs import JobService
from spaces_app.service.visitors import Sessions, Visitor, hub_visitor
from spaces_app.ui.visitor_cookie import cookie_of


@dataclass(frozen=True)
class Context:
    """Service, host and sessions of one app."""

    jobs: JobService
    host: Host
    sessions: Sessions = field(default_factory=Sessions)

    def visitor(self, request: Any) -> Visitor:
        """The visitor who sent `request` (Gradio's or Starlette's)."""
        signed = _oauth(request) if self.host.on_space else None
        return signed or self.sessions.find(self.browser(request))

    def browser(self, request: Any) -> str:
        """An id of the browser: its cookie or, without one, its address."""
        if named := cookie_of(request):
            return f"browser {named}"
        client = getattr(request, "client", None)
        return f"address {client.host if client else 'unknown'}"


def _oauth(request: Any) -> Visitor | None:
    """The visitor who signed in with Hugging Face, from Gradio's session."""
    inner = request.request if isinstance(request, gr.Request) else request
    session = inner.scope.get("session") if inner is not None else None
    info = (session or {}).get("oauth_info")
    if not info:
        return None
    said = info["userinfo"]
    picture = str(said.get("picture") or "")
    return hub_visitor(
        str(said["preferred_username"]),
        str(info["access_token"]),
        picture if picture.startswith("https://") else None,
        frozenset(str(info.get("scope") or "").split()),
    )
