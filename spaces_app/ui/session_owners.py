"""Whose a session of the page is, and streams that answer no other browser.

Gradio keeps answers and state under a random id that the page makes up, and gives them to any
browser that names it.
"""

from __future__ import annotations

import json
from collections import OrderedDict
from typing import Any
from urllib.parse import parse_qs

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from spaces_app.ui.visitor_cookie import cookie_of

MOST = 50_000
"""Sessions that are remembered."""
CALL = "/gradio_api/call/"
DATA = "/gradio_api/queue/data"
ALIVE = "/gradio_api/heartbeat/"
NO_EVENT = "There is no such event: a call names one, and its answer is given once"
GONE = {"msg": "unexpected_error", "message": "404", "session_not_found": True, "success": False}
"""What Gradio's page is told of a session that is not there; it then starts anew."""


class SessionOwners:
    """Which browser used a session first: no other may use it.

    One that sends no cookie owns nothing, since all of those may look alike.
    """

    def __init__(self, most: int = MOST) -> None:
        self._owners: OrderedDict[str, str | None] = OrderedDict()
        self._most = most

    def may_use(self, session: str | None, request: Any) -> bool:
        """Whether the browser of `request` may use that session; the first that asks owns it."""
        if not session:
            return True
        browser = cookie_of(request) if request is not None else None
        owner = self._owners.setdefault(session, browser)
        self._owners.move_to_end(session)
        if len(self._owners) > self._most:
            self._owners.popitem(last=False)
        return owner is None or owner == browser


class OwnStreams:
    """Middleware that answers streams of sessions and events that are not there, or another's."""

    def __init__(self, app: ASGIApp, page: Any, owners: SessionOwners) -> None:
        """page: Gradio's, whose queue holds what was asked."""
        self._app, self._page, self._owners = app, page, owners

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        refused = self._refused(scope) if scope["type"] == "http" else None
        await (refused or self._app)(scope, receive, send)

    def _refused(self, scope: Scope) -> Response | None:
        """The answer to a request for a stream that it may not have."""
        path, request = scope["path"].rstrip("/"), Request(scope)
        if scope["method"] != "GET":
            return None
        if path.startswith(CALL) and path.count("/") > CALL.count("/"):
            session = self._session(path.rpartition("/")[2])
            if session is None or not self._owners.may_use(session, request):
                return PlainTextResponse(NO_EVENT, 404)
        elif path == DATA:
            query = parse_qs(scope["query_string"].decode("latin-1"))
            session = query.get("session_hash", [""])[0]
            waiting = session in self._page._queue.pending_messages_per_session
            if session and not (waiting and self._owners.may_use(session, request)):
                return Response(f"data: {json.dumps(GONE)}\n\n", media_type="text/event-stream")
        elif path.startswith(ALIVE) and not self._owners.may_use(path[len(ALIVE) :], request):
            return PlainTextResponse("There is no such session", 404)
        return None

    def _session(self, event: str) -> str | None:
        """The session of an event whose answer was not given yet."""
        queue = self._page._queue
        known = queue.event_ids_to_events.get(event)
        if known is not None:
            return str(known.session_hash)
        pending = queue.pending_event_ids_session.items()
        return next((session for session, events in pending if event in events), None)
