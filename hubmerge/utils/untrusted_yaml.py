"""Reading YAML that strangers wrote: bounded in size and depth, what it refers to included.

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
    nothing is said twice, but for what is referred to by its name (`&part`, `*part`).

    Raises: UnreadableYamlError.
    """
    size = len(text.encode("utf-8", "replace"))
    if size > most:
        raise UnreadableYamlError(f"{size:,} bytes, at most {most:,} are read")
    try:
        _refuse_tricks(text, deepest, references=True)
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


def _refuse_tricks(text: str, deepest: int, *, references: bool = False) -> None:
    """Raises: UnreadableYamlError, for what is small as a text and large once it is read.

    references: whether parts may be said again by reference; they count as often as they are.
    """
    count, met = 0, _References()
    for event in yaml.parse(text, LOADER):
        count += 1
        if isinstance(event, yaml.AliasEvent):
            size = met.size(str(event.anchor)) if references else None
            if size is None:
                raise UnreadableYamlError("it repeats itself by reference")
            count += size
        if count > YAML_EVENTS:
            raise UnreadableYamlError(f"more than {YAML_EVENTS:,} entries")
        if met.level_at(event, count) > deepest:
            raise UnreadableYamlError(f"more than {deepest} levels")
        if isinstance(event, yaml.ScalarEvent) and len(event.value) > PLAIN_SCALAR:
            plain = event.style not in QUOTES or event.tag is not None
            if plain and _NUMBERLIKE.fullmatch(event.value):
                raise UnreadableYamlError(f"a number of {len(event.value):,} digits")


class _References:
    """Entries and levels of the parts of a document that have names."""

    def __init__(self) -> None:
        self._known: dict[str, tuple[int, int]] = {}
        self._open: list[tuple[str | None, int]] = []
        self._reached = [0]
        """The deepest level within each list or mapping that is open, and outside of all."""

    def size(self, name: str) -> int | None:
        """Entries of a part that is complete; None for others."""
        return self._known[name][0] if name in self._known else None

    def level_at(self, event: Any, count: int) -> int:
        """The deepest level that an event leads to. count: of entries up to it."""
        level = len(self._open)
        if isinstance(event, yaml.DocumentStartEvent):
            self._known.clear()
        elif isinstance(event, yaml.CollectionStartEvent):
            level += 1
            self._open.append((event.anchor, count))
            self._reached.append(level)
        elif isinstance(event, yaml.CollectionEndEvent):
            (name, start), reached = self._open.pop(), self._reached.pop()
            if name is not None:
                self._known[name] = count - start, reached - len(self._open)
            level = reached
        elif isinstance(event, yaml.AliasEvent) and event.anchor in self._known:
            level += self._known[event.anchor][1]
        elif isinstance(event, yaml.ScalarEvent) and event.anchor is not None:
            self._known[event.anchor] = 1, 0
        self._reached[-1] = max(self._reached[-1], level)
        return level
