"""A cookie that tells browsers apart: an unguessable name, nothing about anybody."""

from __future__ import annotations

from http.cookies import SimpleCookie

from starlette.datastructures import MutableHeaders
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from spaces_app.service.person import new_visitor

COOKIE = "hubmerge-visitor"
DAYS = 30


class Visitors:
    """Gives every browser that opens a page a name of its own.

    On a Space, which is shown inside another site's page, the cookie must be allowed there.
    """

    def __init__(self, app: ASGIApp, embedded_in_site: bool = False) -> None:
        self._app, self._foreign = app, embedded_in_site

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
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
