"""A person at a browser: headless Chromium, and the page by what stands on it."""

from __future__ import annotations

import json
import os
import re
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import (
    Browser,
    BrowserContext,
    Locator,
    Page,
    Request,
    TimeoutError,
    expect,
    sync_playwright,
)

EXAMPLES = {"vit": "two vision transformers", "resnet": "two ResNets", "mlp": "two MLPs"}
"""Family -> name of the example that merges two of it, in the order of the page."""
SECONDS = 1000
PATIENCE = 300 * SECONDS
AGAIN = 60 * SECONDS
"""Milliseconds after which what was clicked is clicked once more."""
HESITATION = 300
"""Milliseconds before a name is confirmed, as a person takes. Gradio's page may lose the answer to
the second of two events that are sent within the same moment, which only a program manages."""
CALLS = ("/gradio_api/run/", "/gradio_api/queue/join")
"""What is in the addresses to which the page sends its events."""
expect.set_options(timeout=PATIENCE)
PICTURES = os.environ.get("HUBMERGE_PICTURES")
"""Where screenshots are kept; none are taken without it, but of what failed."""
WEIGHED = "weight.json"
WEIGHT = """() => {
  const all = ['navigation', 'resource'].flatMap((kind) => performance.getEntriesByType(kind));
  const paint = performance.getEntriesByName('first-contentful-paint')[0];
  return {bytes: all.reduce((sum, each) => sum + each.transferSize, 0), requests: all.length,
          first_paint_ms: paint ? paint.startTime : 0};
}"""
FAILED = "build/space"
"""Where those are, if nothing else is said."""


def chromium() -> str:
    """The browser Debian and others install; without it, these tests say so and are left out."""
    for name in ("chromium", "chromium-browser", "google-chrome"):
        if found := shutil.which(name):
            return found
    pytest.skip("NO BROWSER: the Space was not tested as people use it. apt-get install chromium")


@contextmanager
def a_browser() -> Iterator[Browser]:
    """Chromium without a window."""
    path = chromium()
    with sync_playwright() as play:
        browser = play.chromium.launch(executable_path=path, args=["--no-sandbox"])
        try:
            yield browser
        finally:
            browser.close()


class PageVisitor:
    """One person with cookies of their own."""

    def __init__(self, browser: Browser, url: str, **options: object) -> None:
        size = {"width": 1100, "height": 900}
        self.context: BrowserContext = browser.new_context(**{"viewport": size, **options})
        self.page: Page = self.context.new_page()
        self.page.set_default_timeout(PATIENCE)
        self.url = url
        self.outside: list[str] = []
        self.errors: list[str] = []
        self._asked: set[Request] = set()
        self.page.on("request", self._note)
        self.page.on("requestfinished", lambda request: self._asked.discard(request))
        self.page.on("requestfailed", lambda request: self._asked.discard(request))
        self.page.on("pageerror", lambda error: self.errors.append(str(error)))

    def _note(self, request: Request) -> None:
        if urlsplit(request.url).hostname not in ("127.0.0.1", "localhost", None):
            self.outside.append(request.url)
        if any(call in request.url for call in CALLS):
            self._asked.add(request)

    def settles(self) -> None:
        """Waits until what was typed or clicked is sent, and all that was sent is answered."""
        self.page.wait_for_timeout(HESITATION)
        end = time.monotonic() + PATIENCE / SECONDS
        while self._asked:
            assert time.monotonic() < end, [each.url for each in self._asked]
            self.page.wait_for_timeout(20)

    def arrives(self, where: str = "") -> PageVisitor:
        self.page.goto(self.url + where)
        self.page.locator("#who p").wait_for()
        return self

    def see(self, selector: str, text: str | re.Pattern | None = None) -> Locator:
        """Waits until it is there."""
        found = self.page.locator(selector)
        if text is not None:
            found = found.filter(has_text=text)
        try:
            found.first.wait_for()
        except TimeoutError:
            self._photograph(Path(PICTURES or FAILED, "failed.png"))
            raise
        return found.first

    def pick(self, a: str, b: str, data: str | None = None) -> None:
        """Types whole names."""
        for field, name in (("#pick-a", a), ("#pick-b", b), ("#pick-data", data)):
            if name is not None:
                box = self.page.locator(f"{field} input")
                box.fill(name)
                self.settles()
                box.press("Enter")

    def be_quick(self) -> None:
        """Chooses the effort that looks at no data: the result is not what is looked at."""
        self.page.locator("#level").get_by_label("Quick").check()

    def search(self, field: str, typed: str, wanted: str) -> None:
        """Types a part of a name, sees it offered, and takes it."""
        box = self.page.locator(f"{field} input")
        box.click()
        box.press_sequentially(typed, delay=30)
        offered = self.page.locator(f"{field}-found [data-pick='{wanted}']")
        taken = "([field, name]) => document.querySelector(field + ' input').value === name"
        offered.wait_for()
        for _ in range(3):  # a list that is drawn anew under the click is clicked again
            with suppress(TimeoutError):
                offered.click(timeout=AGAIN)
            with suppress(TimeoutError):
                self.page.wait_for_function(taken, arg=[field, wanted], timeout=AGAIN)
                return
        raise AssertionError(f"{field} does not take {wanted}")

    def offered(self, field: str) -> list[str]:
        """The names a list offers, without what stands beside them."""
        box = self.page.locator(f"{field} input")
        box.click()
        shown = self.page.get_by_role("option")
        shown.first.wait_for()
        names = [re.split(r"[ :]", text.lstrip("✓\n "))[0] for text in shown.all_inner_texts()]
        box.blur()
        shown.first.wait_for(state="detached")
        return names

    def fold(self, title: str) -> None:
        """Opens a fold."""
        self.page.get_by_role("button", name=title).first.click()

    def start(self) -> str:
        """Presses Merge; the job's id."""
        self.page.locator("#start:not([disabled])").click()
        self.page.wait_for_url(re.compile(r"[?&]job="))
        return self.page.url.partition("job=")[2].partition("&")[0]

    def sign_in(self, token: str | None = None, said: str = "Signed in as") -> None:
        """With a token, or with that of this machine."""
        field, own = self.page.locator("#token input"), self.page.locator("#own-token")
        for _ in range(9):  # a click before the page's script has loaded is lost, or what it opened
            with suppress(TimeoutError):
                if not field.is_visible():
                    self.page.locator("#sign-in").click()
                    field.wait_for(timeout=5_000)
                if token is None:
                    own.click(timeout=5_000)
                    break
                field.fill(token, timeout=5_000)
                self.page.locator("#enter").click(timeout=5_000)
                break
        self.see("#who, #sign-in-failed", said)

    def publish(self, repo: str, way: str | None = None, visible: str | None = None) -> None:
        """Names a repository, looks at the preview, and presses Publish."""
        if not self.page.locator("#preview").is_visible():
            self.fold("Publish it")
        self.settles()  # what is typed before the page's script has the field is lost
        name = self.page.locator("#repo textarea, #repo input")
        name.fill(repo)
        if way is not None:
            self.page.locator("#way").get_by_label(way).check()
        if visible is not None:
            self.page.locator("#private").get_by_label(visible).check()
        self.settles()  # a name that was typed takes the button away that a preview brings
        self.page.locator("#preview").click()
        self.see("#previewed table", "model.safetensors")
        self.page.locator("#go:not([disabled])").wait_for()
        assert name.input_value() == repo
        self.page.locator("#go").click()

    def weight(self) -> dict[str, float]:
        """Bytes and requests of the page as it was opened, and milliseconds to its first paint."""
        found: dict[str, float] = self.page.evaluate(WEIGHT)
        if PICTURES:
            Path(PICTURES, WEIGHED).write_text(json.dumps(found), encoding="utf-8")
        return found

    def photograph(self, name: str, panel: str | None = None) -> None:
        """Keeps a picture, of the page or of one part of it, where pictures are asked for."""
        if PICTURES:
            self._photograph(Path(PICTURES, f"{name}.png"), panel)

    def _photograph(self, path: Path, panel: str | None = None) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self.page.wait_for_timeout(300)  # fades
        if panel is None:
            self.page.screenshot(path=path, full_page=True)
        else:
            self.page.locator(panel).screenshot(path=path)

    def leaves(self) -> None:
        """Gone, having seen no error and nothing from elsewhere."""
        self.context.close()
        assert self.errors == [], self.errors
        assert self.outside == [], self.outside
