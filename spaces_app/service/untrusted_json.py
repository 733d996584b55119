"""What a stranger's JSON holds, as the type that is wanted; None, or empty, where it is another."""

from __future__ import annotations

from typing import Any

WORD = 100
"""Most characters of a verdict or name."""
HIGHEST = 1e15
"""Largest absolute value that is taken."""


def mapping(value: Any) -> dict[str, Any]:
    """`value` if it is an object."""
    return value if isinstance(value, dict) else {}


def mappings(value: Any) -> list[dict[str, Any]]:
    """Objects of a list."""
    return [each for each in value if isinstance(each, dict)] if isinstance(value, list) else []


def number(value: Any) -> float | None:
    """`value` if it is a number of a plausible size."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return float(value) if abs(value) < HIGHEST else None


def whole(value: Any) -> int | None:
    """`value` as a whole number that is not negative."""
    found = number(value)
    return int(found) if found is not None and found >= 0 else None


def words(value: Any) -> tuple[str, ...]:
    """Texts of a list, or one text."""
    listed = value if isinstance(value, list) else [value]
    return tuple(found for found in map(word, listed) if found)


def word(value: Any) -> str | None:
    """`value` if it is text, short, and as a page can hold it: lone surrogates cannot be sent."""
    return value[:WORD].encode(errors="replace").decode() if isinstance(value, str) else None
