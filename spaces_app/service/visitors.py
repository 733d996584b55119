"""Who is asking. Tokens live here, in memory, and nowhere else."""

from __future__ import annotations

import hashlib
import secrets
import threading
from collections import OrderedDict
from dataclasses import dataclass, field

VISITOR = "visitor"
SESSIONS = 10_000
"""Signed-in visitors remembered at a time; the one not seen for longest has to sign in again."""


@dataclass(frozen=True)
class Person:
    """Somebody whose jobs are counted together.

    key: tells people apart without naming them. name: on the Hub; None for who is not signed in.
    """

    key: str
    name: str | None = None
    token: str | None = field(default=None, repr=False)

    @property
    def signed_in(self) -> bool:
        """Whether anything can be done in this person's name."""
        return self.token is not None


def new_visitor() -> str:
    """An unguessable name for a browser."""
    return secrets.token_urlsafe(18)


def visitor(name: str) -> Person:
    """The person behind a browser that is not signed in."""
    return Person(_key(VISITOR, name))


def is_unknown(key: str) -> bool:
    """Whether that key is of somebody who has not signed in."""
    return key.startswith(f"{VISITOR}-")


def user(name: str, token: str) -> Person:
    """The person behind an account of the Hub, in whatever browser."""
    return Person(_key("user", name), name, token)


def _key(kind: str, name: str) -> str:
    return f"{kind}-{hashlib.sha256(name.encode()).hexdigest()[:20]}"


class Sessions:
    """Which visitor is signed in as whom. Forgotten when the program ends."""

    def __init__(self) -> None:
        self._people: OrderedDict[str, Person] = OrderedDict()
        self._lock = threading.Lock()

    def find(self, visiting: str) -> Person:
        """The person of a browser."""
        with self._lock:
            if visiting in self._people:
                self._people.move_to_end(visiting)
                return self._people[visiting]
        return visitor(visiting)

    def sign_in(self, visiting: str, name: str, token: str) -> Person:
        """From now on this browser is `name`'s."""
        person = user(name, token)
        with self._lock:
            self._people[visiting] = person
            while len(self._people) > SESSIONS:
                self._people.popitem(last=False)
        return person

    def sign_out(self, visiting: str) -> None:
        """Forget the token."""
        with self._lock:
            self._people.pop(visiting, None)
