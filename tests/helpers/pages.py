"""The Markdown pages of this repository, and what stands in them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from pathlib import Path

from markdown_it import MarkdownIt
from markdown_it.token import Token

ROOT = Path(__file__).resolve().parents[2]
README = ROOT / "README.md"
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")])
MARKDOWN = MarkdownIt("gfm-like", {"linkify": False})


@dataclass(frozen=True)
class Block:
    """A fenced block."""

    page: Path
    line: int
    language: str
    text: str

    def __str__(self) -> str:
        return f"{self.page.name}:{self.line}"

    def sessions(self) -> list[tuple[str, str]]:
        """Of a console block: every command, and the output shown below it."""
        found: list[tuple[str, str]] = []
        for line in self.text.splitlines():
            if line.startswith("$ "):
                found.append((line[2:], ""))
            elif found:
                found[-1] = (found[-1][0], f"{found[-1][1]}{line}\n")
        return found


@cache
def tokens_of(page: Path) -> list[Token]:
    """What a page is made of."""
    return MARKDOWN.parse(page.read_text(encoding="utf-8"))


def blocks(page: Path, language: str) -> list[Block]:
    """The blocks of one language in a page."""
    return [
        Block(page, token.map[0] + 1, token.info, token.content)
        for token in tokens_of(page)
        if token.type == "fence" and token.map and token.info == language
    ]


def all_blocks(language: str) -> list[Block]:
    """The blocks of one language in all pages."""
    return [block for page in PAGES for block in blocks(page, language)]


def links(page: Path) -> list[str]:
    """Where a page's links lead and its images lie, as written."""
    inline = [token for token in tokens_of(page) if token.children]
    children = [child for token in inline for child in token.children or []]
    return [str(c.attrs[a]) for c in children for a in ("href", "src") if a in c.attrs]


def anchors(page: Path) -> set[str]:
    """What GitHub lets a link name after `#`."""
    tokens = tokens_of(page)
    headings = [after.content for token, after in pairwise(tokens) if token.type == "heading_open"]
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def table(text: str, heading: str) -> list[list[str]]:
    """Cells of the first table below `heading`, header and rule left out."""
    rest = text.split(f"\n{heading}\n", 1)[1].splitlines()
    start = next(number for number, line in enumerate(rest) if line.startswith("|"))
    rows = []
    for line in rest[start + 2 :]:
        if not line.startswith("|"):
            break
        rows.append([cell.strip() for cell in line.strip("|").split("|")])
    return rows
