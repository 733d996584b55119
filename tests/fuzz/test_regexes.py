"""Every regular expression takes time that grows with its text, not with the square of it."""

from __future__ import annotations

import importlib
import re
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SOURCES = [
    path
    for package in ("hubmerge", "spaces_app")
    for path in sorted((ROOT / package).rglob("*.py"))
    if "re.compile(" in path.read_text(encoding="utf-8")
]
LENGTH = 16_000
SECONDS = 0.25
"""Processor time for `LENGTH` characters: a hundred times what a linear expression takes, and a
fraction of what a quadratic one does."""
PIECES = [
    *("a", "-", ".", "_", "/", ":", "@", "1", " ", "\t", "\n", "*", "=", "(", "[", "{", '"'),
    *("\x02", "---\n", "\n---", "---  ", "a/", "a.", ".1", "1.", "a@", "hf_", "bearer x ", "\r\n"),
    *("\x03\x02", "{a}", "[[", "layers.1.", "<!--", "LABEL_", "a = ", "# "),
]


def patterns() -> dict[str, re.Pattern[str]]:
    """Every expression that a module keeps, by where it is."""
    found = {}
    for source in SOURCES:
        name = ".".join(source.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
        for key, value in vars(importlib.import_module(name)).items():
            if isinstance(value, re.Pattern) and isinstance(value.pattern, str):
                found[f"{name}.{key}"] = value
    return found


@pytest.mark.slow
@pytest.mark.parametrize("ending", ["", "!"])
def test_time_grows_with_the_text(ending: str) -> None:
    slow = []
    for name, pattern in patterns().items():
        # Expressions that are searched for, not matched at one place, are searched for here too.
        source = (ROOT / Path(*name.split(".")[:-1])).with_suffix(".py")
        key = name.rpartition(".")[2]
        text = source.read_text(encoding="utf-8") if source.is_file() else ""
        scans = re.search(rf"\b{key}\.(search|sub|split|finditer|findall)\(", text)
        for piece in PIECES:
            long = piece * (LENGTH // len(piece)) + ending
            begun = time.process_time()
            pattern.fullmatch(long)
            pattern.match(long)
            if scans:
                pattern.sub("", long)
            if time.process_time() - begun > SECONDS:
                slow.append((name, piece))
    assert not slow
