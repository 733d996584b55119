"""Raw HTML in a card: a few harmless tags work, everything else is text."""

from __future__ import annotations

import pytest

from hubmerge.localhub.markdown import render


def test_code_and_details_work() -> None:
    shown = render("<details>\n<summary>more</summary>\n\n<code>a&lt;b</code>\n\n</details>", "/f/")
    assert "<details>\n<summary>more</summary>" in shown
    assert "<code>a&lt;b</code>" in shown


@pytest.mark.parametrize(
    "hostile",
    [
        "<script>alert(1)</script>",
        "<img src=x onerror=alert(1)>",
        "<details onclick=alert(1)>",
        "<code style='x'>",
        "<div>\n<script>alert(1)</script>\n</div>",
        "<summary/onclick=alert(1)>",
    ],
)
def test_nothing_else_does(hostile: str) -> None:
    shown = render(f"before\n\n{hostile}\n\nin <b>line</b> {hostile}", "/f/")
    inert = shown.replace("<b>", "").replace("</b>", "").replace("<p>", "").replace("</p>", "")
    assert "<script" not in inert
    assert "<img" not in inert
    assert "<details" not in inert
    assert "<code" not in inert
    assert "<summary" not in inert
