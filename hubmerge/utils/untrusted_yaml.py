"""Reading YAML that strangers wrote: bounded in size and depth, and never by reference.

A few lines of nested aliases stand for terabytes, and a few thousand brackets for a stack overflow.
"""

from __future__ import annotations

import re
from typing import Any

import yaml

FRONT_MATTER_BYTES = 1 << 18
"""Most of a card's front matter; the longest on the Hub list the columns of hundreds of
configurations."""
MOST_EVENTS = 50_000
"""Scalars, beginnings and ends of lists and mappings: reading takes about 30 microseconds each."""
MOST_BITS = 256
"""Bits of a whole number: longer ones cannot be shown, nor written as JSON."""
DEEPEST = 32
"""Levels of lists and mappings."""
LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)

_FRONT = re.compile(r"\A\s*---[ \t]*\r?\n(.*?)^---[ \t]*\r?(?:\n|\Z)", re.DOTALL | re.MULTILINE)


class UnreadableYamlError(ValueError):
    """What is no YAML, or more than a text of its kind has a reason to be."""


def read_yaml(text: str, *, most: int = FRONT_MATTER_BYTES, deepest: int = DEEPEST) -> Any:
    """What `text` says, in plain Python values.

    Parameters:
        most: bytes it may have in UTF-8.
        deepest: levels of lists and mappings it may have.

    Raises: UnreadableYamlError.
    """
    size = len(text.encode("utf-8", "replace"))
    if size > most:
        raise UnreadableYamlError(f"{size:,} bytes, at most {most:,} are read")
    try:
        _refuse_tricks(text, deepest)
        return _refuse_long_numbers(yaml.load(text, LOADER))
    except UnreadableYamlError:
        raise
    except Exception as error:
        # Beside YAML's own: numbers and dates there cannot be, mappings with lists for names, and
        # IndexError, KeyError or AttributeError where a tag's text is no number, truth or date.
        raise UnreadableYamlError(str(error)[:300]) from error


def front_matter(card: str) -> tuple[str | None, str]:
    """The YAML between the lines of dashes at the top of a card (None without it), and the rest."""
    found = _FRONT.match(card)
    return (found[1], card[found.end() :]) if found else (None, card)


def _refuse_tricks(text: str, deepest: int) -> None:
    """Raises: UnreadableYamlError, for what is small as a text and large once it is read."""
    depth = 0
    for number, event in enumerate(yaml.parse(text, LOADER)):
        if number > MOST_EVENTS:
            raise UnreadableYamlError(f"more than {MOST_EVENTS:,} entries")
        depth += isinstance(event, yaml.CollectionStartEvent)
        depth -= isinstance(event, yaml.CollectionEndEvent)
        if isinstance(event, yaml.AliasEvent):
            raise UnreadableYamlError("it repeats itself by reference")
        if depth > deepest:
            raise UnreadableYamlError(f"more than {deepest} levels")


def _refuse_long_numbers(content: Any) -> Any:
    """`content`. Raises: UnreadableYamlError, if a number is in it that cannot be shown."""
    level = [content]
    while level:
        if any(isinstance(each, int) and each.bit_length() > MOST_BITS for each in level):
            raise UnreadableYamlError(f"a number of more than {MOST_BITS} bits")
        lists = [each for each in level if isinstance(each, list | tuple | set)]
        tables = [each for each in level if isinstance(each, dict)]
        level = [inner for each in lists for inner in each]
        level += [inner for each in tables for pair in each.items() for inner in pair]
    return content
