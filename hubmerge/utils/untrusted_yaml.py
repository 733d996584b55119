"""Reading YAML that strangers wrote: bounded in size and depth, and never by reference.

A few lines of nested aliases stand for terabytes, and a few thousand brackets for a stack overflow.
"""

from __future__ import annotations

import re
from typing import Any

import yaml

from hubmerge.utils.limits import FRONT_MATTER_BYTES, LEVELS, PLAIN_SCALAR, YAML_EVENTS
from hubmerge.utils.untrusted import Unreadable, bounded

LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
QUOTES = ("'", '"', "|", ">")
"""How YAML marks text that cannot be a number."""

_FRONT = re.compile(r"\A\s*---[ \t]*\r?\n(.*?)^---[ \t]*\r?(?:\n|\Z)", re.DOTALL | re.MULTILINE)
_NUMBERLIKE = re.compile(r"[-+0-9a-fA-FxXob_.:eE]*")


class UnreadableYamlError(Unreadable):
    """What is no YAML, or more than a text of its kind has a reason to be."""


def read_yaml(text: str, *, most: int = FRONT_MATTER_BYTES, deepest: int = LEVELS) -> Any:
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
        return bounded(yaml.load(text, LOADER))
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
        if number > YAML_EVENTS:
            raise UnreadableYamlError(f"more than {YAML_EVENTS:,} entries")
        depth += isinstance(event, yaml.CollectionStartEvent)
        depth -= isinstance(event, yaml.CollectionEndEvent)
        if isinstance(event, yaml.AliasEvent):
            raise UnreadableYamlError("it repeats itself by reference")
        if depth > deepest:
            raise UnreadableYamlError(f"more than {deepest} levels")
        if isinstance(event, yaml.ScalarEvent) and len(event.value) > PLAIN_SCALAR:
            plain = event.style not in QUOTES or event.tag is not None
            if plain and _NUMBERLIKE.fullmatch(event.value):
                raise UnreadableYamlError(f"a number of {len(event.value):,} digits")
