"""Text of strangers: whatever it is, an answer or one refusal, in bounded time."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from hubmerge.utils.untrusted import (
    Unreadable,
    decode,
    parse_json,
    read_bytes,
    read_json,
)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ('{"a": [1, 2.5, null, true, "é"]}', {"a": [1, 2.5, None, True, "é"]}),
        ("[" * 60 + "]" * 60, ...),
        ('{"model_max_length": 1000000000000000019884624838656}', ...),
        ('{"time_step_limit": [0.0, Infinity]}', {"time_step_limit": [0.0, float("inf")]}),
        (r'"😀"', "😀"),
    ],
)
def test_json_as_honest_files_have_it(text: str, value: Any) -> None:
    assert parse_json(text) == value or value is ...


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "Expecting value"),
        ("{", "Expecting"),
        ("\ufeff{}", "BOM"),
        ("9" * 6000, "digits"),
        ("-" + "9" * 4000, "bits"),
        ('{"a": ' + "1" * 200 + "}", "bits"),
        ("[" * 65 + "]" * 65, "levels"),
        ("[" * 3000 + "]" * 3000, "levels"),
        ("[" * 100_000 + "]" * 100_000, "levels"),
        ('{"a":' * 100_000, "levels"),
        (r'"\ud800"', "surrogate"),
        (r'{"\udfff": 1}', "surrogate"),
        ('{"a": tru}', "Expecting value"),
        ("{'a': 1}", "double quotes"),
        ('{"a": 1} x', "Extra data"),
        ("\x00", "Expecting value"),
        ('"a\nb"', "control character"),
    ],
)
def test_json_that_is_refused(text: str, why: str) -> None:
    with pytest.raises(Unreadable, match=why):
        parse_json(text)


def test_text_that_is_not_utf_8() -> None:
    with pytest.raises(Unreadable, match="byte 2 is 0xe9"):
        decode(b"ab\xe9")


def test_only_regular_files_of_a_bounded_size_are_read(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "link").symlink_to("/dev/zero")
    (tmp_path / "large.json").write_text("[" + "1," * 100 + "1]")
    for name in ("pipe", "link", "."):
        with pytest.raises(Unreadable, match="no regular file"):
            read_bytes(tmp_path / name, 10)
    with pytest.raises(Unreadable, match="more than 100 bytes"):
        read_json(tmp_path / "large.json", 100)
    assert len(read_json(tmp_path / "large.json")) == 101
    with pytest.raises(FileNotFoundError):
        read_json(tmp_path / "none.md")
