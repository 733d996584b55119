"""What parents are called: by the letters of the alphabet, the first one A."""

from __future__ import annotations

from string import ascii_uppercase

MOST = len(ascii_uppercase)
"""Parents a merge may have: one per letter."""


REFINED_PARENT = "refined_parent"
"""The key, among contenders, of the parent that was refined as the merge was."""


def parent_letters(count: int) -> str:
    """ "AB", "ABC", ..."""
    return ascii_uppercase[:count]


def roles(what: str, count: int) -> list[str]:
    """Their keys in files: "model_a", "model_b", ..."""
    return [f"{what}_{letter.lower()}" for letter in parent_letters(count)]


def display_name(key: str) -> str:
    """A key as readers see it: "parent_a" is "parent A"."""
    what, _, letter = key.rpartition("_")
    return f"{what} {letter.upper()}"


def listed(names: list[str]) -> str:
    """ "A and B", "A, B and C"."""
    *before, last = names
    return f"{', '.join(before)} and {last}" if before else last
