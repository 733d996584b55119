"""Requests that are too long, or ask for what there is not, are refused before they are read."""

from __future__ import annotations

import os
import shutil
import tempfile
import time
from contextlib import suppress

from gradio.route_utils import FnIndexInferError
from gradio.utils import get_upload_folder
from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from spaces_app.ui.strict_page import MALFORMED

ADDRESS = 2**15
"""Most bytes of an address, query included."""
FORM = 2**20
"""What a request may have beside an uploaded image: forms, and calls of the API."""
CALLS = ("/gradio_api/call/", "/gradio_api/run/", "/gradio_api/queue/")
"""Where addresses of calls begin."""
UPLOAD = "/upload"
"""How the address of an upload ends: it is kept on the disk for an hour."""
FREE = 2 * 2**30
"""Bytes of that disk that uploads leave free."""
UNFINISHED = "tmp"
"""How the names of files begin that are being uploaded."""
STALE = 600
"""Seconds after which nothing more is expected of an upload."""
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
        if scope["path"].endswith(UPLOAD):
            remove_remains()
            if _free() < FREE:
                await PlainTextResponse("There is no space left", 507, CLOSE)(scope, receive, send)
                return
        size, answered = 0, False

        async def counted() -> Message:
            nonlocal size
            message = await receive()
            size += len(message.get("body", b""))
            if size > self._most:
                raise HTTPException(413, self._too_long, CLOSE)
            return message

        async def noted(message: Message) -> None:
            nonlocal answered
            answered = True
            if message.get("status") == 500 and scope.get(MALFORMED):
                message = {**message, "status": 422}
            await send(message)

        try:
            await self._app(scope, counted, noted)
        except (FnIndexInferError, KeyError):  # Gradio looks a function up by name or number
            if answered or not scope["path"].startswith(CALLS):
                raise
            await PlainTextResponse("There is no such function", 404, CLOSE)(scope, receive, send)

    @property
    def _too_long(self) -> str:
        return f"A request has at most {self._most:,} bytes"


def remove_remains() -> None:
    """Remove what is left of uploads that broke off: Gradio keeps no list of them."""
    with suppress(FileNotFoundError), os.scandir(get_upload_folder()) as found:
        for each in found:
            if each.name.startswith(UNFINISHED) and each.is_file(follow_symlinks=False):
                with suppress(FileNotFoundError):
                    if time.time() - each.stat().st_mtime > STALE:
                        os.unlink(each)


def _free() -> int:
    """Bytes that are free where uploads are kept."""
    return shutil.disk_usage(tempfile.gettempdir()).free
