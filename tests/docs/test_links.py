"""Every link leads somewhere, every page is reached, and nothing is this machine's alone."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.helpers.pages import PAGES, README, ROOT, anchors, links

ABSOLUTE = re.compile(r"(?<![\w.:/~-])/(?:home|root|Users|tmp|work|opt|usr|mnt|var)/\w")


def local(page: Path) -> list[tuple[str, Path, str]]:
    """(as written, file, anchor) of every link into this repository."""
    inside = [link for link in links(page) if not re.match(r"[a-z]+:", link)]
    parts = [(link, *link.partition("#")[::2]) for link in inside]
    return [(link, (page.parent / path if path else page), anchor) for link, path, anchor in parts]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    for link, path, anchor in local(page):
        assert path.resolve().is_relative_to(ROOT), link
        assert path.exists(), f"{page.name} links to {link}"
        if anchor:
            assert anchor in anchors(path), f"{page.name} links to {link}"


def test_every_page_is_reached_from_the_readme() -> None:
    reached: set[Path] = set()
    waiting = [README]
    while waiting:
        page = waiting.pop()
        if page in reached:
            continue
        reached.add(page)
        if page.suffix == ".md" and page.exists():
            waiting += [path.resolve() for _, path, _ in local(page)]
    pictures = set((ROOT / "docs" / "images").iterdir())
    assert {*PAGES, *pictures} <= reached


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_no_path_of_one_machine(page: Path) -> None:
    assert not ABSOLUTE.findall(page.read_text(encoding="utf-8"))
