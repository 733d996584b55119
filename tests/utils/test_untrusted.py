"""Text of strangers: whatever it is, an answer or one refusal, in bounded time."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

import pytest

from hubmerge.utils import limits
from hubmerge.utils.untrusted import (
    Unreadable,
    decode,
    front_matter,
    parse_json,
    parse_yaml,
    read_bytes,
    read_front_matter,
    read_json,
)

LETTERS = "abcdefghij"
BOMB = f"a: &a [{','.join('x' * 9)}]\n" + "".join(
    f"{LETTERS[n + 1]}: &{LETTERS[n + 1]} [{','.join(['*' + LETTERS[n]] * 9)}]\n" for n in range(9)
)
"""Nine aliases of nine aliases, nine times: 9^10 words."""


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


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (BOMB, "by reference"),
        ("a: &a [*a]", "by reference"),
        ("x: " + "[" * 3000 + "]" * 3000, "levels"),
        ("\n".join(" " * n + "a:" for n in range(200)), "levels"),
        ("license: !!python/object/apply:os.system [id]", "constructor"),
        ("x: !!python/name:os.system", "constructor"),
        ("x: !Own {}", "constructor"),
        ("x: " + "9" * 6000, "number"),
        ("x: 0x" + "f" * 900, "bits"),
        ("x: " + ":".join("1" * 50_000), "number"),
        ("x: 2001-99-99", "month"),
        ("x: !!bool maybe", "maybe"),
        ("x: !!int abc", "abc"),
        ("? {a: b}\n: c", "unhashable"),
        ("\x00", "control characters"),
        ("%YAML 9.9\n---\na", "incompatible"),
        ("a: b: c", "mapping values"),
        ("\tx: 1", "found character"),
        ("x: [" + "a, " * 200_000 + "]", "parts"),
        ("x: '" + "a" * (limits.YAML_BYTES + 1) + "'", "characters"),
    ],
)
def test_yaml_that_is_refused(text: str, why: str) -> None:
    begun = time.process_time()
    with pytest.raises(Unreadable, match=why):
        parse_yaml(text)
    assert time.process_time() - begun < 10


def test_yaml_as_honest_files_have_it() -> None:
    text = (
        "license: mit\nn: 1_000\nd: 2024-01-02\nh: '1234'\nl: [a, 'b']\nz: ~\nt: |\n  " + "1" * 5000
    )
    read = parse_yaml(text)
    assert (read["license"], read["n"], read["h"], read["l"]) == ("mit", 1000, "1234", ["a", "b"])


@pytest.mark.parametrize(
    ("card", "read"),
    [
        ("---\nlicense: mit\n---\n# A card", {"license": "mit"}),
        ("\ufeff---\r\nlicense: mit\r\n---\r\nx", {"license": "mit"}),
        ("# A card\n---\nlicense: mit\n---\n", {}),
        ("---\n---\n", {}),
        ("---\nlicense: mit\n", {}),
        ("", {}),
        ("---\n" + "---x\n" * 200_000, {}),
        ("-" * 4_000_000, {}),
        ("<!--" * 500_000, {}),
    ],
)
def test_front_matter(card: str, read: dict[str, Any]) -> None:
    begun = time.process_time()
    assert front_matter(card) == read
    assert time.process_time() - begun < 5


def test_front_matter_that_is_no_mapping() -> None:
    with pytest.raises(Unreadable, match="a list, no mapping"):
        front_matter("---\n- a\n---\n")


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
        read_front_matter(tmp_path / "none.md")
