"""Columns of plain text."""

from __future__ import annotations

import pytest

from hubmerge.utils.tables import columns, right_of_first


def test_columns_line_up() -> None:
    assert columns([("a", "1"), ("long", "1,000")], right=[1]) == "a         1\nlong  1,000"
    assert right_of_first([("", "x"), ("a", "10")]) == "    x\na  10"


def test_markup_is_text() -> None:
    assert columns([("[red]a[/red]", ":smile: b")], indent=2) == "  [red]a[/red]  :smile: b"


def test_a_cell_may_have_lines() -> None:
    assert columns([("a", "one\ntwo"), ("b", "three")]) == "a  one\n   two\nb  three"


def test_nothing_gives_nothing() -> None:
    assert columns([]) == ""


def test_neither_terminal_nor_width_changes_it(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = [("name " * 40, "1")]
    plain = columns(rows)
    monkeypatch.setenv("COLUMNS", "20")
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("TERM", "xterm-256color")
    assert columns(rows) == plain
    assert "\n" not in plain
