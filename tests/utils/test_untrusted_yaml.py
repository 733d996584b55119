"""YAML of strangers: read as it stands, or refused before it costs anything."""

from __future__ import annotations

import time
from itertools import pairwise

import pytest

from hubmerge.utils.untrusted_yaml import (
    UnreadableYamlError,
    front_matter,
    read_documents,
    read_yaml,
)

LETTERS = "abcdefghij"
BOMB = "a: &a [x, x]\n" + "".join(f"{b}: &{b} [*{a}, *{a}]\n" for a, b in pairwise(LETTERS))


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("x: " + "[" * 3000 + "]" * 3000, "levels"),
        (BOMB, "by reference"),
        ("x: !!python/object/apply:os.system [id]", "constructor"),
        ("x: " + "9" * 6000, "digits"),
        ("x: [" + "a, " * 60_000 + "a]", "entries"),
        ("x: " + "a" * 300_000, "bytes"),
        ("? [a]\n: b", "unhashable|unfound|mapping"),
        ("x: 2020-99-99", "month"),
        ("x: \ud800", "surrogates"),
        ("x: \x1b", "control"),
        ("x: [", "parsing"),
        ("a: &a [*a]", "by reference"),
        ("\n".join(" " * n + "a:" for n in range(200)), "levels"),
        ("x: !!python/name:os.system", "constructor"),
        ("x: !Own {}", "constructor"),
        ("x: 0x" + "f" * 900, "bits"),
        ("x: " + ":".join("1" * 50_000), "digits"),
        ("x: !!bool maybe", "maybe"),
        ("x: !!int abc", "abc"),
        ("x: !!timestamp x", "groupdict"),
        ("%YAML 9.9\n---\na", "incompatible"),
        ("a: b: c", "mapping values"),
        ('x: !!int ""', "range"),
        ("{0x" + "f" * 900 + ": 1}", "bits"),
    ],
)
def test_what_is_refused(text: str, why: str) -> None:
    with pytest.raises(UnreadableYamlError, match=why):
        read_yaml(text)


NESTED = "a: &a [[[[x]]]]\n" + "".join(f"{b}: &{b} [[*{a}]]\n" for a, b in pairwise(LETTERS))


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (BOMB + "".join(f"{n}: [*j, *j, *j, *j]\n" for n in range(20)), "entries"),
        (NESTED, "levels"),
        ("a: &a [*a]", "by reference"),
        ("a: &a [x]\n---\nb: *a", "by reference"),
    ],
)
def test_references_count_as_often_as_they_are_made(text: str, why: str) -> None:
    with pytest.raises(UnreadableYamlError, match=why):
        read_documents(text, deepest=20)


def test_what_is_referred_to_is_read() -> None:
    ((found, _),) = read_documents("a: &a {b: 1}\nc: {<<: *a, d: *a}")
    assert found == {"a": {"b": 1}, "c": {"b": 1, "d": {"b": 1}}}


def test_what_is_read() -> None:
    assert read_yaml("a: [1, .5, mit]\nb: {c: true}") == {"a": [1, 0.5, "mit"], "b": {"c": True}}
    assert read_yaml("") is None


def test_text_that_looks_like_a_number_is_read() -> None:
    assert read_yaml(f"a: '{'1' * 5000}'\nb: |\n  {'1' * 5000}") == {
        "a": "1" * 5000,
        "b": "1" * 5000,
    }


@pytest.mark.parametrize(
    "card", ["---\n" + "---x\n" * 200_000, "-" * 4_000_000, "<!--" * 500_000, " " * 1_000_000]
)
def test_front_matter_is_found_in_linear_time(card: str) -> None:
    begun = time.process_time()
    assert front_matter(card)[0] is None
    assert time.process_time() - begun < 5


def test_front_matter_is_what_stands_between_the_dashes() -> None:
    assert front_matter("---\nlicense: mit\n---\n# A\n---\n") == ("license: mit\n", "# A\n---\n")
    assert front_matter("# A\n---\nx\n---\n") == (None, "# A\n---\nx\n---\n")
    assert front_matter("---\n" + "a\n" * 100_000)[0] is None
