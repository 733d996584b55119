"""The page without a mouse: publishing and the gallery by Tab, arrows, Space and Enter alone."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from playwright.sync_api import Locator

from hubmerge.localhub import EmbeddedHub
from spaces_app.server import RunningApp
from spaces_app.service.visitors import Visitor
from tests.helpers import zoo
from tests.helpers.browser import PageVisitor
from tests.helpers.jobs import ended, quick

PATIENCE = 90_000
"""Milliseconds."""
FARTHEST = 80
"""Most presses of Tab from one thing to another."""
HOLDS = "(element) => element.contains(document.activeElement)"
TAKEN = "([field, wanted]) => document.querySelector(field).value === wanted"
NAMED = """() => {
  const field = document.querySelector('#repo textarea, #repo input');
  return field !== null && field.value.startsWith('me/');
}"""
UNSEEN = """() => {
  const now = document.activeElement;
  if (!now || now === document.body) return null;
  const ringed = (each) => {
    const style = getComputedStyle(each), box = each.getBoundingClientRect();
    return style.outlineStyle !== 'none' && parseFloat(style.outlineWidth) >= 2
      && box.width > 4 && box.height > 4;
  };
  const label = now.closest('label');
  if (ringed(now) || (label && ringed(label))) return null;
  const named = now.closest('[id]');
  return `${now.outerHTML.slice(0, 160)} in #${named ? named.id : ''}`;
}"""
"""What has the focus without showing it: no ring around it, nor around its label."""


class Keyboard:
    """Walks a page by keys, and notes whatever has the focus without showing it."""

    def __init__(self, visitor: PageVisitor) -> None:
        self.visitor, self.page = visitor, visitor.page
        self.page.set_default_timeout(PATIENCE)
        self.unseen: list[str] = []

    def press(self, *keys: str) -> None:
        for key in keys:
            self.page.keyboard.press(key)

    def reach(self, wanted: str | Locator, by: str = "Tab") -> None:
        """Presses Tab, or another key, until it or something within it has the focus."""
        place = self.page.locator(wanted) if isinstance(wanted, str) else wanted
        for _ in range(FARTHEST):
            if place.evaluate(HOLDS):
                return
            self.press(by)
            if (unseen := self.page.evaluate(UNSEEN)) is not None:
                self.unseen.append(unseen)
        raise AssertionError(f"no key leads to {wanted}")

    def choose(self, field: str, typed: str, wanted: str) -> None:
        """Types into a list, and takes the one thing that it then offers."""
        self.reach(f"{field} input")
        self.press("Control+a")
        self.page.keyboard.type(typed)
        self.visitor.see("[role=option].active", wanted)
        self.press("Enter")
        self.page.wait_for_function(TAKEN, arg=[f"{field} input", wanted])


@pytest.fixture(scope="module")
def merged(app: RunningApp, me: Visitor) -> str:
    """A merge of `me` that is not published."""
    job = app.context.jobs.submit(me, quick()).id
    assert ended(app.context.jobs, me, job).job.refusal is None
    return job


def test_arrows_lead_into_what_is_found_and_tab_past_it(visit: Callable[..., PageVisitor]) -> None:
    visitor = visit()
    keys = Keyboard(visitor)
    keys.reach("#pick-a input")
    found = visitor.see("#pick-a-found .hm-found")
    found.evaluate("(list) => { list.style.maxHeight = '3rem'; }")  # more of them than fit
    keys.press("Tab")
    assert not visitor.page.locator("#pick-a-found").evaluate(HOLDS)
    keys.reach("#pick-b input")
    keys.reach("#pick-a input", by="Shift+Tab")
    visitor.settles()
    first = visitor.see("#pick-a-found [data-pick]")
    named = first.get_attribute("data-pick")
    keys.press("ArrowDown")
    assert first.evaluate(HOLDS)
    keys.press("Enter")
    visitor.page.wait_for_function(TAKEN, arg=["#pick-a input", named])
    assert keys.unseen == []


@pytest.mark.slow
def test_a_merge_is_published_by_keys_alone(
    visit: Callable[..., PageVisitor], hub: EmbeddedHub, merged: str
) -> None:
    visitor = visit(f"/?job={merged}")
    visitor.see("#verdict .hm-verdict")
    keys = Keyboard(visitor)
    keys.reach("#sign-in")
    keys.press("Enter")
    visitor.see("#token input")
    keys.reach("#own-token")
    keys.press("Space")
    visitor.see("#who", "Signed in as")
    keys.reach("#publish > button")
    keys.press("Enter")
    visitor.see("#publish > button[aria-expanded=true]")
    visitor.page.wait_for_function(NAMED)  # who signs in gets a name of their own suggested
    keys.reach("#repo")
    keys.press("Control+a")
    visitor.page.keyboard.type("me/by-keys")
    keys.reach("#private")
    keys.press("ArrowDown")
    keys.reach("#preview")
    keys.press("Enter")
    visitor.see("#previewed table", "model.safetensors")
    visitor.see("#go:not([disabled])")
    keys.reach("#go")
    keys.press("Enter")
    visitor.see("#published .hm-good", "The merge is on the Hub")
    keys.reach(visitor.page.get_by_role("link", name="Open the repository"))
    keys.reach(visitor.page.get_by_role("button", name="Copy its badge"))
    assert hub.api().model_info("me/by-keys").sha
    assert keys.unseen == []


def test_the_gallery_is_filtered_sorted_and_opened_by_keys_alone(
    visit: Callable[..., PageVisitor], app: RunningApp, me: Visitor, merged: str
) -> None:
    app.context.jobs.publish(me, merged, {"push": "me/seen-by-keys", "private": False})
    visitor = visit("/")
    keys = Keyboard(visitor)
    keys.reach(
        visitor.page.get_by_role("link", name="Gallery")
        .or_(visitor.page.get_by_role("button", name="Gallery"))
        .first
    )
    keys.press("Enter")
    visitor.see("#gallery tbody", "me/seen-by-keys")
    family = zoo.MODEL_TYPES["mlp"]
    keys.choose("#by-family", family, family)
    keys.choose("#by", "barrier", "lowest barrier")
    visitor.settles()
    row = visitor.page.locator("#gallery tbody tr").filter(has_text="me/seen-by-keys")
    keys.reach(row.get_by_role("link", name="me/seen-by-keys"))
    with visitor.context.expect_page() as opened:
        keys.press("Enter")
    assert opened.value.url.endswith("/me/seen-by-keys")
    opened.value.close()
    visitor.page.bring_to_front()
    keys.reach(visitor.page.get_by_role("tab", name="Leaderboards"), by="Shift+Tab")
    keys.press("Enter")
    visitor.see("#leaderboards", "Merges that this app verified")
    assert keys.unseen == []
