"""axe-core finds no serious fault in any state of the page, light and dark."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from hubmerge.reporting.schema.report import Report
from spaces_app.server import RunningApp
from spaces_app.service.gallery import gallery
from spaces_app.service.verified import Verified, gain_of
from spaces_app.service.visitors import Visitor
from tests.helpers.axe import axe_script, grave_faults
from tests.helpers.browser import PageVisitor
from tests.helpers.jobs import ended, quick

MERGE = "me/looked-at"
HEAVIEST = 2_000_000
"""Bytes of the first screen with everything it loads, nearly all of it Gradio's scripts."""


@pytest.fixture(scope="module")
def axe(tmp_path_factory: pytest.TempPathFactory) -> str:
    return axe_script(tmp_path_factory.mktemp("axe"))


@pytest.fixture(scope="module")
def job(app: RunningApp, me: Visitor) -> str:
    """A merge on the Hub that stands on a leaderboard."""
    jobs = app.context.jobs
    job = jobs.submit(me, quick()).id
    assert ended(jobs, me, job).job.refusal is None
    jobs.publish(me, job, {"push": MERGE, "private": False})
    sha = next(each.sha for each in gallery(me) if each.id == MERGE)
    gain = gain_of(Report.read(jobs.result(me, job)))
    jobs.verified.put(
        Verified(merge=MERGE, sha=sha or "", level="remake", gain=gain, checks={"identical": 40})
    )
    return job


@pytest.mark.slow
def test_no_state_of_the_page_has_a_serious_fault(
    visit: Callable[..., PageVisitor], axe: str, job: str
) -> None:
    found: dict[str, list[str]] = {}

    def look(visitor: PageVisitor, state: str) -> None:
        visitor.photograph(f"axe-{state}")
        found[state] = grave_faults(visitor, axe)

    visitor = visit()
    visitor.see("#examples")
    assert visitor.weight()["bytes"] < HEAVIEST
    look(visitor, "first screen")
    visitor.pick("me/mlp-a", "me/vit-a")
    visitor.see("#plan .hm-refused")
    look(visitor, "refused")
    visitor.pick("me/mlp-a", "me/mlp-b", "me/digits")
    visitor.see("#plan .hm-good")
    visitor.fold("Advanced")
    look(visitor, "plan")
    for theme in ("light", "dark"):
        visitor = visit(f"/?job={job}&__theme={theme}")
        visitor.see("#verdict .hm-verdict")
        visitor.fold("Publish it")
        look(visitor, f"result, {theme}")
    visitor.page.goto(f"{visitor.url}/gallery?__theme=dark")
    row = visitor.see("#gallery tbody tr", MERGE)
    assert "made again" in row.inner_text()
    look(visitor, "gallery, dark")
    visitor.page.goto(f"{visitor.url}/gallery?__theme=light")
    visitor.see("#gallery tbody tr", MERGE)
    look(visitor, "gallery")
    visitor.page.get_by_role("tab", name="Leaderboards").click()
    board = visitor.see("#leaderboards tbody tr", MERGE)
    board.locator("summary").click()
    assert f"hubmerge verify {MERGE}@" in board.inner_text()
    look(visitor, "leaderboards")
    assert {state: faults for state, faults in found.items() if faults} == {}


PHONE = {"viewport": {"width": 390, "height": 844}, "is_mobile": True, "has_touch": True}
CUT = """(table) => {
  const cells = [...table.querySelectorAll('th, td')].filter((each) => each.offsetParent);
  const past = cells.filter((each) => each.getBoundingClientRect().right > innerWidth + 1);
  const all = [document.documentElement, table];
  const wide = all.filter((each) => each.scrollWidth > each.clientWidth);
  return [...wide, ...past].map((each) => each.outerHTML.slice(0, 80));
}"""
"""What of a table is wider than the page."""


def test_tables_of_the_gallery_are_stacked_on_a_phone(
    visit: Callable[..., PageVisitor], job: str
) -> None:
    phone = visit("/?__theme=dark", **PHONE)
    phone.page.goto(f"{phone.url}/gallery?__theme=dark")
    for tab, table in (("All merges", "#gallery"), ("Leaderboards", "#leaderboards")):
        phone.page.get_by_role("tab", name=tab).click()
        row = phone.see(f"{table} tbody tr", MERGE)
        phone.photograph(f"phone{table.replace('#', '-')}")
        assert phone.page.locator(f"{table} .hm-stack").first.evaluate(CUT) == []
        assert row.evaluate("(each) => getComputedStyle(each).display") == "grid"
        cell = row.get_by_role("cell").nth(1)
        assert cell.evaluate("(each) => getComputedStyle(each, '::before').content").strip('"')
        assert row.get_by_role("rowheader").count() == 1
