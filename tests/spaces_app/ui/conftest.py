"""An app, and people who look at it."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Browser

from hubmerge.localhub import EmbeddedHub
from spaces_app.host import Example, Host
from spaces_app.server import RunningApp, serving
from spaces_app.service.limits import Limits
from tests.helpers.browser import EXAMPLES, PageVisitor, a_browser


@pytest.fixture(scope="module")
def app(hub: EmbeddedHub, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningApp]:
    examples = tuple(
        Example(name, (f"me/{family}-a", f"me/{family}-b"), "me/digits")
        for family, name in EXAMPLES.items()
    )
    host = Host(tmp_path_factory.mktemp("app"), examples, local_token=lambda: hub.token)
    with serving(host, limits=Limits(heavy=2, leaderboard_rows=60)) as running:
        yield running


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with a_browser() as browser:
        yield browser


@pytest.fixture
def visit(app: RunningApp, browser: Browser) -> Iterator[Callable[..., PageVisitor]]:
    visitors: list[PageVisitor] = []

    def visit(where: str = "", **options: object) -> PageVisitor:
        visitors.append(PageVisitor(browser, app.url, **options))
        return visitors[-1].arrives(where)

    yield visit
    for visitor in visitors:
        visitor.leaves()
