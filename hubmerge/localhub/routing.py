"""Routes of the embedded Hub: from a request to its handler.

Addresses are matched segment by segment on the *raw* path, each segment unquoted by itself:
`refs%2Fpr%2F1` is one segment, a revision, while `a/b` are two.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import Any, TypeVar
from urllib.parse import unquote

from anyio import CapacityLimiter, to_thread
from starlette.requests import Request
from starlette.responses import Response

from hubmerge.localhub import accounts
from hubmerge.localhub.accounts import Account, Accounts
from hubmerge.localhub.jobs import LocalJobs
from hubmerge.localhub.links import Links
from hubmerge.localhub.names import TYPES, RepoKey, repo_key
from hubmerge.localhub.plain import parse
from hubmerge.localhub.records import State
from hubmerge.localhub.refusal import Refusal, repo_not_found
from hubmerge.localhub.store import Store
from hubmerge.localhub.text_process import TextProcess

Handler = Callable[["Call"], Response] | Callable[["Call"], Awaitable[Response]]
T = TypeVar("T")
_EDGE = "\0"


@dataclass(kw_only=True)
class Call:
    """One request with its account and the values of its URL."""

    request: Request
    store: Store
    users: Accounts
    links: Links
    account: Account | None
    values: dict[str, str]
    slots: CapacityLimiter
    texts: TextProcess
    jobs: LocalJobs | None = None
    body: bytes = b""

    async def run(self, work: Callable[..., T], *args: Any) -> T:
        """`work(*args)` in a thread, one of the few that the caller's account may keep busy."""
        return await to_thread.run_sync(work, *args, limiter=self.slots)

    @property
    def base(self) -> str:
        """Base URL by which the client reached this server, for links in answers."""
        return f"http://{self.request.headers['host']}"

    @property
    def revision(self) -> str:
        """The revision in the address, `main` without one."""
        return self.values.get("revision", "main")

    @property
    def path(self) -> str:
        """The file path in the address, "" without one."""
        return self.values.get("path", "").replace(_EDGE, "/")

    @cached_property
    def key(self) -> RepoKey:
        """The repository in the address; refused where no repository can have that name."""
        name = self.values["name"].removesuffix(".git")
        key = repo_key(self.values["type"], self.values["namespace"], name)
        if key is None:
            raise repo_not_found(self.account is not None)
        return key

    @cached_property
    def state(self) -> State:
        """State of the repository in the address, if the caller may know that it exists."""
        return self.visible(self.key)

    def visible(self, key: RepoKey) -> State:
        """State of `key`, if the caller may know that it exists."""
        state = self.store.state(key)
        if state is None or not accounts.can_see(self.account, key, state):
            raise repo_not_found(self.account is not None)
        return state

    def writer(self) -> Account:
        """The caller, if it may change the repository in the address."""
        _ = self.state
        return accounts.require_write(self.account, self.key)

    def contributor(self) -> Account:
        """The caller, if it may propose changes to the repository in the address."""
        return accounts.require_contributor(self.account, self.key, self.state)

    def require_files(self) -> None:
        """Refuses unless the caller may download from the repository in the address."""
        accounts.require_files(self.account, self.key, self.state)

    def flag(self, name: str) -> bool:
        """A yes-or-no query parameter."""
        return self.request.query_params.get(name, "").lower() in ("1", "true")

    def json(self) -> dict[str, Any]:
        """The JSON object in the body; {} without a body."""
        content = parse(self.body or b"{}")
        if not isinstance(content, dict):
            raise Refusal(400, "The body is not a JSON object")
        return content

    def text(self, name: str, most: int) -> str:
        """A text of the body of at most `most` characters; "" without one."""
        value = self.json().get(name)
        if not isinstance(value, str | None) or len(value or "") > most:
            raise Refusal(400, f"{name} must be a text of at most {most:,} characters")
        return value or ""


class Routes:
    """A table of addresses; `@routes("GET", "/api/{type}")` enters a handler.

    `{name}` is one segment, `{path*}` one or more. Addresses of downloads and pages start with
    `/@{type}`: see `segments`.
    """

    def __init__(self) -> None:
        self.table: list[tuple[frozenset[str], re.Pattern[str], Handler]] = []

    def __call__(self, methods: str, pattern: str) -> Callable[[Handler], Handler]:
        compiled = _compile(pattern)

        def enter(handler: Handler) -> Handler:
            self.table.append((frozenset(methods.split()), compiled, handler))
            return handler

        return enter


def find(tables: Iterable[Routes], method: str, raw_path: bytes) -> tuple[Handler, dict[str, str]]:
    """The handler for a request and the values in its address."""
    parts = segments(raw_path)
    line = _EDGE.join(parts)
    known = False
    for routes in tables:
        for methods, pattern, handler in routes.table:
            if found := pattern.fullmatch(line):
                if method in methods:
                    return handler, found.groupdict()
                known = True
    if known:
        raise Refusal(405, f"{method} is not possible here")
    raise Refusal(404, "Not found", "RepoNotFound" if _names_one_segment(parts) else None)


def _names_one_segment(parts: list[str]) -> bool:
    """Whether the address asks for a repository without a namespace: there are none here."""
    of_api = parts[:1] == ["api"]
    after = parts[2:] if of_api else parts[1:]
    if of_api and not (after and parts[1] in TYPES):
        return False
    return len(after) == 1 or after[1:2] in (["revision"], ["tree"], ["resolve"], ["paths-info"])


def segments(raw_path: bytes) -> list[str]:
    """The path's segments, unquoted; addresses without a type get `@models` put in front."""
    parts = [unquote(part) for part in raw_path.decode("latin-1").split("/") if part]
    if any(_EDGE in part for part in parts):
        raise Refusal(400, "Not an address")
    if not parts or parts[0] in ("api", "-"):
        return parts
    if parts[0] in TYPES:
        return [f"@{parts[0]}", *parts[1:]]
    return ["@models", *parts]


def _compile(pattern: str) -> re.Pattern[str]:
    one, many = rf"[^{_EDGE}]+", rf"[^{_EDGE}]+(?:{_EDGE}[^{_EDGE}]+)*"
    parts = []
    for part in pattern.strip("/").split("/"):
        text = re.escape(part).replace(r"\{", "{").replace(r"\}", "}").replace(r"\*", "*")
        text = re.sub(r"\{(\w+)\*\}", rf"(?P<\1>{many})", text)
        parts.append(re.sub(r"\{(\w+)\}", rf"(?P<\1>{one})", text))
    return re.compile(_EDGE.join(parts), re.DOTALL)
