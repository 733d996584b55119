"""In whose name the app acts: only a browser's that asks for it on the app's own page."""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterator

import httpx
import pytest

from hubmerge.localhub import EmbeddedHub
from spaces_app.host import Host
from spaces_app.server import RunningApp, serving
from spaces_app.ui.visitor_cookie import COOKIE

OWN_PAGE = {"sec-fetch-site": "same-origin", "sec-fetch-mode": "cors"}
OTHER_SITE = {"sec-fetch-site": "cross-site", "sec-fetch-mode": "cors"}


@pytest.fixture(scope="module")
def app(hub: EmbeddedHub, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningApp]:
    host = Host(tmp_path_factory.mktemp("app"), local_token=lambda: hub.token)
    with serving(host) as running:
        yield running


def press(app: RunningApp, button: str, headers: dict[str, str], cookie: str | None) -> str:
    """What the page is told once the button of that element id was pressed so."""
    client = httpx.Client(base_url=app.url, headers=headers, timeout=60)
    if cookie is not None:
        client.cookies.set(COOKIE, cookie)
    config = client.get("/config").json()
    (number,) = (c["id"] for c in config["components"] if c["props"].get("elem_id") == button)
    (act,) = (d["id"] for d in config["dependencies"] if [number, "click"] in d["targets"])
    session = secrets.token_hex(8)
    asked = {"fn_index": act, "data": [], "session_hash": session}
    client.post("/gradio_api/queue/join", json=asked).raise_for_status()
    with client.stream("GET", f"/gradio_api/queue/data?session_hash={session}") as lines:
        for line in lines.iter_lines():
            said = json.loads(line.removeprefix("data: ") or "{}")
            if said.get("msg") == "process_completed":
                return json.dumps(said["output"])
    raise AssertionError("no answer")


def who(app: RunningApp, cookie: str) -> str | None:
    """As whom a browser is signed in."""
    return app.context.sessions.find(f"browser {cookie}").name


def test_a_browser_signs_in_on_the_page(app: RunningApp) -> None:
    assert "Signed in as" in press(app, "own-token", OWN_PAGE, "mine")
    assert who(app, "mine") == "me"
    assert who(app, "other") is None


def test_another_site_cannot_act_for_who_is_signed_in(app: RunningApp) -> None:
    press(app, "own-token", OWN_PAGE, "signed-in")
    assert "Signed in as" not in press(app, "leave", OTHER_SITE, "signed-in")
    assert who(app, "signed-in") == "me"
    assert "Not signed in" in press(app, "own-token", OTHER_SITE, "lured")
    assert who(app, "lured") is None
    form = {"sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate"}
    press(app, "leave", form, "signed-in")
    assert who(app, "signed-in") == "me"
    press(app, "leave", OWN_PAGE, "signed-in")
    assert who(app, "signed-in") is None


def test_who_keeps_no_cookie_cannot_sign_in(app: RunningApp) -> None:
    """All visitors without one look alike."""
    assert "does not accept cookies" in press(app, "own-token", OWN_PAGE, None)
    assert app.context.sessions.find("address 127.0.0.1").token is None


def test_no_cookie_is_taken_for_an_address(app: RunningApp) -> None:
    press(app, "own-token", OWN_PAGE, "address 127.0.0.1")
    assert app.context.sessions.find("address 127.0.0.1").token is None


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1.evil.example", "localhost.evil:7860"])
def test_a_name_that_only_leads_here_does_not_get_the_machines_token(
    app: RunningApp, host: str
) -> None:
    assert "from this machine only" in press(
        app, "own-token", {**OWN_PAGE, "host": host}, "rebound"
    )
    assert who(app, "rebound") is None


def test_who_follows_a_link_is_who_they_were(app: RunningApp) -> None:
    link = {"sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate"}
    answer = httpx.get(app.url, headers=link, cookies={COOKIE: "known"})
    assert "set-cookie" not in answer.headers
