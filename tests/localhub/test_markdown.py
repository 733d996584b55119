"""Raw HTML in a card: harmless elements work, attributes and everything else are dropped."""

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
    assert "<b>line</b>" in shown
    assert "before" in shown
    assert "<script" not in shown
    assert "<summary" not in shown
    assert "style" not in shown
    assert "onerror" not in shown


@pytest.mark.parametrize("address", ["javascript:alert(1)", "data:text/html,x", "vbscript:x"])
def test_links_that_could_run_something_lead_nowhere(address: str) -> None:
    shown = render(f"[a]({address}) <a href='{address}'>b</a>", "/f/")
    assert address not in shown.replace(f"[a]({address})", "")


def test_relative_links_and_alignment_stay() -> None:
    shown = render("[a](docs/x.md) ![p](p.png)\n\n|l|r|\n|:-|-:|\n|1|2|", "/f/")
    assert '<a href="/f/docs/x.md" rel="noopener nofollow">a</a>' in shown
    assert '<img src="/f/p.png" alt="p">' in shown
    assert '<td style="text-align:right">2</td>' in shown
