"""The embedded Hub as an ASGI application."""

from __future__ import annotations

import errno
import inspect
import json
import re
from collections import defaultdict
from collections.abc import Callable
from typing import cast

from anyio import CapacityLimiter
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from hubmerge.localhub import (
    api,
    discussions,
    download,
    job_routes,
    limits,
    pages,
    upload,
    variables,
)
from hubmerge.localhub.accounts import Account, Accounts
from hubmerge.localhub.bodies import read_body
from hubmerge.localhub.jobs import LocalJobs
from hubmerge.localhub.links import COOKIE, Links
from hubmerge.localhub.refusal import Refusal
from hubmerge.localhub.routing import Call, find
from hubmerge.localhub.store import Store
from hubmerge.localhub.text_process import TextProcess

TABLES = (
    job_routes.routes,
    api.routes,
    variables.routes,
    upload.routes,
    download.routes,
    discussions.routes,
    pages.routes,
)
FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
"""What a full disk or quota says."""
METHODS = ["GET", "HEAD", "POST", "PUT", "DELETE"]

_OWN_HOST = re.compile(r"(?:127\.0\.0\.1|localhost)(?::\d{1,5})?")


def application(
    store: Store,
    users: Accounts,
    links: Links,
    texts: TextProcess,
    jobs: LocalJobs | None = None,
) -> Starlette:
    """The ASGI application over one opened store."""

    slots: defaultdict[Account | None, CapacityLimiter] = defaultdict(
        lambda: CapacityLimiter(limits.HANDLERS)
    )

    def call_of(request: Request, account: Account | None, values: dict[str, str]) -> Call:
        return Call(
            request=request,
            store=store,
            users=users,
            links=links,
            account=account,
            values=values,
            slots=slots[account],
            texts=texts,
            jobs=jobs,
        )

    async def answer(request: Request) -> Response:
        try:
            response = await _answer(request, users, links, call_of)
        except Refusal as refusal:
            response = _refused(request, refusal)
        except OSError as error:
            if error.errno not in FULL:
                raise
            response = _refused(request, Refusal(507, "There is no space left on this Hub's disk"))
        except ClientDisconnect:
            response = Response(status_code=400)
        response.headers.setdefault("Content-Security-Policy", "default-src 'none'; sandbox")
        response.headers["X-Content-Type-Options"] = "nosniff"
        response.headers.setdefault("Cross-Origin-Resource-Policy", "same-origin")
        response.headers["Referrer-Policy"] = "no-referrer"
        return response

    return Starlette(routes=[Route("/{anything:path}", answer, methods=METHODS)])


async def _answer(
    request: Request, users: Accounts, links: Links, call_of: Callable[..., Call]
) -> Response:
    host = request.headers.get("host", "")
    if not _OWN_HOST.fullmatch(host):
        # DNS rebinding: a page of another site whose name resolves to this machine.
        raise Refusal(421, f"This server answers to 127.0.0.1 and localhost, not to {host!r:.100}")
    _require_size(request)
    handler, values = find(TABLES, request.method, request.scope["raw_path"])
    call = call_of(request, await run_in_threadpool(_who, request, users, links), values)
    if inspect.iscoroutinefunction(handler):
        return await handler(call)
    call.body = await read_body(request)
    return await call.run(cast(Callable[[Call], Response], handler), call)


def _require_size(request: Request) -> None:
    """Refuses an address or headers that are longer than any client of a Hub needs."""
    if request.scope["http_version"] not in ("1.0", "1.1"):
        raise Refusal(400, "Only HTTP/1.0 and HTTP/1.1")
    if len(request.scope["raw_path"]) + len(request.scope["query_string"]) > limits.ADDRESS:
        raise Refusal(414, f"The address is longer than {limits.ADDRESS} bytes")
    lines = (len(name) + len(value) + 4 for name, value in request.scope["headers"])
    if sum(lines) > limits.HEADERS:
        raise Refusal(431, f"The headers are longer than {limits.HEADERS} bytes")


def _who(request: Request, users: Accounts, links: Links) -> Account | None:
    """The caller by its token; a browser, by its ticket, and only where it reads."""
    authorization, ticket = request.headers.get("authorization"), request.cookies.get(COOKIE)
    reads = request.method in ("GET", "HEAD") and not request.url.path.startswith("/api")
    if not authorization and ticket and reads:
        return users.named(links.check_ticket(ticket))
    return users.identify(authorization)


def _refused(request: Request, refusal: Refusal) -> Response:
    """The error as the client reads it: message in body and header, and an error code."""
    headers = {**refusal.headers, "X-Error-Message": _header(refusal.message)}
    if refusal.code is not None:
        headers["X-Error-Code"] = refusal.code
    if request.method in ("POST", "PUT"):
        headers["Connection"] = "close"  # the rest of the body is not read
    if "text/html" in request.headers.get("accept", ""):
        return pages.refused(refusal, headers)
    body = {"error": refusal.message, **refusal.fields}
    return JSONResponse(body, status_code=refusal.status, headers=headers)


def _header(text: str) -> str:
    """`text` as one line of ASCII."""
    return json.dumps(text[:500])[1:-1].replace('\\"', '"')
