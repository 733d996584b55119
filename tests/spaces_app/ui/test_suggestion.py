"""A suggestion, as the browser decides about it."""

from __future__ import annotations

import pytest
from playwright.sync_api import Browser

from spaces_app.ui.suggestion import TAKE


@pytest.mark.parametrize(
    ("offered", "typed", "taken", "shown"),
    [
        ("o/d", "", "", ["o/d", "o/d"]),
        ("o/d", None, None, ["o/d", "o/d"]),
        ("me/x", "OWNER/x", "OWNER/x", ["me/x", "me/x"]),
        ("o/d", "o/typed", "", ["o/typed", ""]),
        ("me/x", "OWNER/x-changed", "OWNER/x", ["OWNER/x-changed", "OWNER/x"]),
        ("o/d", "", "o/d", ["", "o/d"]),  # emptied by hand
        ("", "", "o/d", ["", "o/d"]),
        ("", "o/d", "o/d", ["o/d", "o/d"]),
    ],
)
def test_what_was_typed_is_never_replaced(
    browser: Browser, offered: str, typed: str | None, taken: str | None, shown: list[str]
) -> None:
    page = browser.new_page()
    assert page.evaluate(f"(given) => ({TAKE})(...given)", [offered, typed, taken]) == shown
    page.close()
