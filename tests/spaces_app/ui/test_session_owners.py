"""Whose a session is: of the browser that used it first, as long as it is remembered."""

from __future__ import annotations

from starlette.requests import Request

from spaces_app.ui.session_owners import SessionOwners
from spaces_app.ui.visitor_cookie import COOKIE


def of(cookie: str | None) -> Request:
    """A request of the browser with that cookie."""
    headers = [] if cookie is None else [(b"cookie", f"{COOKIE}={cookie}".encode())]
    return Request({"type": "http", "headers": headers})


def test_the_first_browser_owns_a_session() -> None:
    owners = SessionOwners()
    assert owners.may_use("s", of("mine"))
    assert not owners.may_use("s", of("another"))
    assert not owners.may_use("s", of(None))
    assert owners.may_use("s", of("mine"))
    assert owners.may_use(None, of("another"))


def test_who_sends_no_cookie_owns_nothing() -> None:
    owners = SessionOwners()
    assert owners.may_use("s", of(None))
    assert owners.may_use("s", None)
    assert owners.may_use("s", of("mine"))


def test_no_more_sessions_are_remembered_than_there_is_room_for() -> None:
    owners = SessionOwners(most=2)
    for session in ("old", "used", "new"):
        owners.may_use("used", of("mine"))
        owners.may_use(session, of("mine"))
    assert not owners.may_use("used", of("another"))
    assert owners.may_use("old", of("another"))
    assert len(owners._owners) == 2
