"""A cookie that tells browsers apart: an unguessable name, nothing about anybody.

What a page of another site asks for comes from nobody: cookies are for this site's own pages.
"""

from __future__ import annotations

import re
from http.cookies import SimpleCookie
from typing import Any

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from spaces_app.service.visitors import new_visitor

COOKIE = "hubmerge-visitor"
DAYS = 30
HERE = ("localhost", "127.0.0.1", "[::1]")
"""What a browser calls the machine it runs on."""


class Visitors:
    """Gives every browser that opens a page a name of its own.

    On a Space, which is shown inside another site's page, the cookie must be allowed there.
    """

    def __init__(self, app: ASGIApp, embedded_in_site: bool = False) -> None:
        self._app, self._foreign = app, embedded_in_site

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if _is_foreign(scope):
            scope = _from_nobody(scope)
        if scope["type"] != "http" or COOKIE in Request(scope).cookies:
            await self._app(scope, receive, send)
            return
        name = new_visitor()

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
    """The name in the cookie of `request` (Gradio's, or Starlette's)."""
    return request.cookies.get(COOKIE) or None


def came_by_its_own_name(request: Any) -> bool:
    """Whether the browser called for this machine, and not for a name that only leads here.

    Whoever owns a name can let it lead to anybody's own machine, and ask there as if at home.
    """
    host = str(request.headers.get("host", ""))
    return re.sub(r":\d+$", "", host) in HERE


def _is_foreign(scope: Scope) -> bool:
    """Whether a browser says that it asks on behalf of another site's page.

    Who follows a link to here is not foreign, nor is what does not say.
    """
    if scope["type"] != "http":
        return False
    headers = Headers(scope=scope)
    follows = headers.get("sec-fetch-mode") == "navigate" and scope["method"] in ("GET", "HEAD")
    return headers.get("sec-fetch-site") in ("cross-site", "same-site") and not follows


def _from_nobody(scope: Scope) -> Scope:
    """`scope` without cookies and what was made of them; the caller's own stays as it is."""
    kept = [(name, value) for name, value in scope["headers"] if name != b"cookie"]
    return {**scope, "headers": kept, "session": {}}
