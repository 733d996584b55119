"""No text of a stranger acts on a terminal, or passes for a line of ours."""

from __future__ import annotations

import json

import pytest

from hubmerge.errors import MismatchError
from hubmerge.errors.printable import printable
from hubmerge.errors.wording import PYTHON, render

NASTY = {
    "escape": ("\x1b[2J", r"\u001b[2J"),
    "C1 control": ("\x9b2J", r"\u009b2J"),
    "bell": ("\a", r"\u0007"),
    "backspace": ("\b\b", r"\u0008\u0008"),
    "carriage return": ("a\rb", r"a\u000db"),
    "delete": ("\x7f", r"\u007f"),
    "nul": ("\0", r"\u0000"),
    "right-to-left override": ("\u202eabc", r"\u202eabc"),
    "isolate": ("\u2066", r"\u2066"),
    "zero width": ("a\u200bb", r"a\u200bb"),
    "byte order mark": ("\ufeff", r"\ufeff"),
    "line separator": ("\u2028", r"\u2028"),
    "tag": ("\U000e0041", r"\udb40\udc41"),
    "lone surrogate": ("\ud800", r"\ud800"),
    "private use": ("\ue000", r"\ue000"),
    "unassigned": ("\u0378", r"\u0378"),
}


@pytest.mark.parametrize("kind", NASTY)
def test_what_acts_is_shown(kind: str) -> None:
    text, shown = NASTY[kind]
    assert printable(text) == shown
    assert printable(shown) == shown
    assert printable(f"ä日😀 {text}\n\t") == f"ä日😀 {shown}\n\t"


@pytest.mark.parametrize("kind", NASTY)
def test_json_keeps_its_value(kind: str) -> None:
    value = {NASTY[kind][0]: [NASTY[kind][0]]}
    text = printable(json.dumps(value, ensure_ascii=False, indent=1))
    assert json.loads(text) == value
    assert all(mark.isprintable() or mark == "\n" for mark in text)


@pytest.mark.parametrize("kind", NASTY)
def test_errors_are_safe_to_print(kind: str) -> None:
    text, shown = NASTY[kind]
    error = MismatchError(f"a{text}", found=f"b{text}", source=f"c{text}", hint=f"d{text}")
    said = str(error)
    assert all(mark.isprintable() or mark == "\n" for mark in said)
    assert kind == "line separator" or said.count(shown) >= 4 or "\r" in text


def test_a_quoted_line_does_not_pass_for_one_of_ours() -> None:
    error = MismatchError("a\n  try:   rm -rf /", found="b\nHolds.")
    assert str(error).splitlines() == [
        "a",
        "           try:   rm -rf /",
        "  found: b",
        "         Holds.",
    ]


@pytest.mark.parametrize(
    "mark",
    ['["option", [], {}]', '["action", "merge again", []]', '["add", {}, 1]', "[]", "7", "{}"],
)
def test_marks_that_are_not_ours_are_text(mark: str) -> None:
    text = f"\x02{mark}\x03"
    assert isinstance(render(text, PYTHON), str)
