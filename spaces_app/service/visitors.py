"""Visitors and their sessions. Tokens are kept here, in memory only."""

from __future__ import annotations

import hashlib
import secrets
import threading
from collections import OrderedDict
from dataclasses import dataclass, field

ANONYMOUS = "visitor"
SESSIONS = 10_000
"""Most signed-in visitors at a time; the least recently seen is signed out first."""


@dataclass(frozen=True)
class Visitor:
    """A user of the app, whose jobs count together.

    key: identifies the visitor without naming them. name: on the Hub; None if not signed in.
    picture: address of the account's picture. scopes: what the token was given for; None where that
    is unknown, as of one that was typed.
    """

    key: str
    name: str | None = None
    token: str | None = field(default=None, repr=False)
    picture: str | None = None
    scopes: frozenset[str] | None = None

    @property
    def signed_in(self) -> bool:
        """Whether the app has this visitor's token."""
        return self.token is not None


APP = Visitor("example")
"""The app itself, which merges its examples: as many as it has."""


def new_browser_id() -> str:
    """A random id for a browser."""
    return secrets.token_urlsafe(18)


def anonymous_visitor(browser: str) -> Visitor:
    """The visitor of a browser that is not signed in."""
    return Visitor(_key(ANONYMOUS, browser))


def is_anonymous(key: str) -> bool:
    """Whether `key` belongs to a visitor who is not signed in."""
    return key.startswith(f"{ANONYMOUS}-")


def hub_visitor(
    name: str, token: str, picture: str | None = None, scopes: frozenset[str] | None = None
) -> Visitor:
    """The visitor with a Hub account, the same in every browser."""
    return Visitor(_key("user", name), name, token, picture, scopes)


def _key(kind: str, name: str) -> str:
    return f"{kind}-{hashlib.sha256(name.encode()).hexdigest()[:20]}"


class Sessions:
    """The signed-in visitor of each browser, in memory only."""

    def __init__(self) -> None:
        self._signed_in: OrderedDict[str, Visitor] = OrderedDict()
        self._lock = threading.Lock()

    def find(self, browser: str) -> Visitor:
        """The visitor of a browser."""
        with self._lock:
            if browser in self._signed_in:
                self._signed_in.move_to_end(browser)
                return self._signed_in[browser]
        return anonymous_visitor(browser)

    def sign_in(self, browser: str, name: str, token: str, picture: str | None = None) -> Visitor:
        """Sign this browser in as `name`."""
        visitor = hub_visitor(name, token, picture)
        with self._lock:
            self._signed_in[browser] = visitor
            while len(self._signed_in) > SESSIONS:
                self._signed_in.popitem(last=False)
        return visitor

    def sign_out(self, browser: str) -> None:
        """Sign this browser out and forget its token."""
        with self._lock:
            self._signed_in.pop(browser, None)
