"""Requests that are too long are refused before they are read."""

from __future__ import annotations

from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

ADDRESS = 2**15
"""Most bytes of an address, query included."""
FORM = 2**20
"""What a request may have beside an uploaded image: forms, and calls of the API."""
CLOSE = {"Connection": "close"}
"""The rest of a body is not read."""


class RequestLimits:
    """Middleware that refuses addresses and bodies longer than the app has a use for."""

    def __init__(self, app: ASGIApp, image: int) -> None:
        """image: most bytes of an uploaded image."""
        self._app, self._most = app, image + FORM

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        if len(scope["path"]) + len(scope["query_string"]) > ADDRESS:
            await PlainTextResponse("The address is too long", 414)(scope, receive, send)
            return
        announced = Headers(scope=scope).get("content-length", "")
        if announced.isdecimal() and (len(announced) > 15 or int(announced) > self._most):
            await PlainTextResponse(self._too_long, 413, CLOSE)(scope, receive, send)
            return
        size = 0

        async def counted() -> Message:
            nonlocal size
            message = await receive()
            size += len(message.get("body", b""))
            if size > self._most:
                raise HTTPException(413, self._too_long, CLOSE)
            return message

        await self._app(scope, counted, send)

    @property
    def _too_long(self) -> str:
        return f"A request has at most {self._most:,} bytes"
