"""Requests that are too long are refused before they are read."""

from __future__ import annotations

from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

ADDRESS = 2**15
"""Most bytes of an address, query included."""
FORM = 2**20
"""What a request may have beside an uploaded image: forms, and calls of the API."""


class TooLongError(Exception):
    """The body exceeds its limit."""


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
        size, begun = 0, False

        async def counted() -> Message:
            nonlocal size
            message = await receive()
            size += len(message.get("body", b""))
            if size > self._most:
                raise TooLongError
            return message

        async def sent(message: Message) -> None:
            nonlocal begun
            begun = True
            await send(message)

        try:
            await self._app(scope, counted, sent)
        except TooLongError:
            if not begun:
                await PlainTextResponse(
                    f"At most {self._most:,} bytes", 413, headers={"Connection": "close"}
                )(scope, receive, send)
