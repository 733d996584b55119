"""Reading YAML that strangers wrote: bounded in size and depth, and never by reference.

A few lines of nested aliases stand for terabytes, and a few thousand brackets for a stack overflow.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

import yaml

from hubmerge.utils.limits import FRONT_MATTER_BYTES, LEVELS, PLAIN_SCALAR, YAML_EVENTS
from hubmerge.utils.untrusted import Unreadable, bounded

LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
QUOTES = ("'", '"', "|", ">")
"""How YAML marks text that cannot be a number."""

Place = tuple[str | int, ...]
"""Names and numbers that lead to something in a document."""
Lines = Mapping[Place, int]
"""Place -> number of the line, from 1."""

_FRONT = re.compile(r"\A\s*---[ \t]*\r?\n(.*?)^---[ \t]*\r?(?:\n|\Z)", re.DOTALL | re.MULTILINE)
_NUMBERLIKE = re.compile(r"[-+0-9a-fA-FxXob_.:eE]*")


class UnreadableYamlError(Unreadable):
    """What is no YAML, or more than a text of its kind has a reason to be."""


def read_yaml(
    text: str, *, most: int = FRONT_MATTER_BYTES, deepest: int = LEVELS, once: bool = False
) -> Any:
    """What `text` says, in plain Python values.

    Parameters:
        most: bytes it may have in UTF-8.
        deepest: levels of lists and mappings it may have.
        once: whether a name that stands twice in one mapping is refused; else the last one counts.

    Raises: UnreadableYamlError.
    """
    size = len(text.encode("utf-8", "replace"))
    if size > most:
        raise UnreadableYamlError(f"{size:,} bytes, at most {most:,} are read")
    try:
        _refuse_tricks(text, deepest)
        if once:
            _refuse_twice(yaml.compose(text, LOADER))
        return bounded(yaml.load(text, LOADER))
    except UnreadableYamlError:
        raise
    except Exception as error:
        # Beside YAML's own: numbers and dates there cannot be, mappings with lists for names, and
        # IndexError, KeyError or AttributeError where a tag's text is no number, truth or date.
        raise UnreadableYamlError(str(error)[:300]) from error


def read_documents(
    text: str, *, most: int = FRONT_MATTER_BYTES, deepest: int = LEVELS
) -> list[tuple[Any, Lines]]:
    """What each document of `text` says, and on which line, within the same bounds as `read_yaml`;
    nothing is said twice.

    Raises: UnreadableYamlError.
    """
    size = len(text.encode("utf-8", "replace"))
    if size > most:
        raise UnreadableYamlError(f"{size:,} bytes, at most {most:,} are read")
    try:
        _refuse_tricks(text, deepest)
        contents = [bounded(each) for each in yaml.load_all(text, LOADER)]
        nodes = list(yaml.compose_all(text, LOADER))
        for node in nodes:
            _refuse_twice(node)
    except UnreadableYamlError:
        raise
    except Exception as error:  # as in `read_yaml`
        raise UnreadableYamlError(str(error)[:300]) from error
    return [(each, dict(_lines(node))) for each, node in zip(contents, nodes, strict=True)]


def _lines(node: Any, place: Place = ()) -> Iterator[tuple[Place, int]]:
    """Where everything within a node stands."""
    if node is None:
        return
    yield place, node.start_mark.line + 1
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            yield from _lines(value, (*place, str(key.value)))
            yield (*place, str(key.value)), key.start_mark.line + 1
    elif isinstance(node, yaml.SequenceNode):
        for number, value in enumerate(node.value):
            yield from _lines(value, (*place, number))


def _refuse_twice(node: Any) -> None:
    """Raises: UnreadableYamlError, if a mapping has two values for one name."""
    parts = []
    if isinstance(node, yaml.MappingNode):
        seen: set[str] = set()
        for key, value in node.value:
            if isinstance(key, yaml.ScalarNode) and key.value in seen:
                line = key.start_mark.line + 1
                raise UnreadableYamlError(f"line {line} says {key.value!r:.80} once more")
            seen.add(str(key.value))
            parts += [key, value]
    elif isinstance(node, yaml.SequenceNode):
        parts = node.value
    for part in parts:
        _refuse_twice(part)


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
