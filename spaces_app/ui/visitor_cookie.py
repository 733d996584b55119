"""A cookie with a random id per browser.

Cookies of cross-site requests are ignored.
"""

from __future__ import annotations

import re
from http.cookies import SimpleCookie
from typing import Any

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from spaces_app.service.visitors import new_browser_id

COOKIE = "hubmerge-visitor"
DAYS = 30
LOCAL_HOSTS = ("localhost", "127.0.0.1", "[::1]")
"""Host names of the local machine."""


class VisitorCookie:
    """Middleware that gives every browser a random id.

    On a Space, which is embedded in another site's page, the cookie must be allowed there.
    """

    def __init__(self, app: ASGIApp, embedded_in_site: bool = False) -> None:
        self._app, self._foreign = app, embedded_in_site

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if _is_cross_site(scope):
            scope = _without_cookies(scope)
        if scope["type"] != "http" or COOKIE in Request(scope).cookies:
            await self._app(scope, receive, send)
            return
        name = new_browser_id()

        async def greet(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                if headers.get("content-type", "").startswith("text/html"):
                    headers.append("set-cookie", self._cookie(name))
            await send(message)

        await self._app(scope, receive, greet)

    def _cookie(self, name: str) -> str:
        cookie: SimpleCookie = SimpleCookie({COOKIE: name})
        cookie[COOKIE].update({"path": "/", "max-age": str(DAYS * 86400)})
        policy = "SameSite=None; Secure; Partitioned" if self._foreign else "SameSite=Lax"
        return f"{cookie[COOKIE].OutputString()}; HttpOnly; {policy}"


def cookie_of(request: Any) -> str | None:
    """The browser's id in the cookie of `request` (Gradio's or Starlette's)."""
    return request.cookies.get(COOKIE) or None


def is_local_host(request: Any) -> bool:
    """Whether the request names this machine as its host.

    Another name may resolve to this machine by DNS rebinding.
    """
    host = str(request.headers.get("host", ""))
    return re.sub(r":\d+$", "", host) in LOCAL_HOSTS


def _is_cross_site(scope: Scope) -> bool:
    """Whether the browser marks the request as sent by another site's page.

    A link that is followed to here is not cross-site, nor is a request without the mark.
    """
    if scope["type"] != "http":
        return False
    headers = Headers(scope=scope)
    follows = headers.get("sec-fetch-mode") == "navigate" and scope["method"] in ("GET", "HEAD")
    return headers.get("sec-fetch-site") in ("cross-site", "same-site") and not follows


def _without_cookies(scope: Scope) -> Scope:
    """A copy of `scope` without cookies and session."""
    kept = [(name, value) for name, value in scope["headers"] if name != b"cookie"]
    return {**scope, "headers": kept, "session": {}}
