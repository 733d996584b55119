"""Reading text of strangers: regular files only, of a bounded size, as JSON or YAML of bounded
depth and numbers. Everything that is no such text is one error, `Unreadable`, in a sentence.
"""

from __future__ import annotations

import json
import os
import re
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

import yaml

from hubmerge.utils.limits import (
    CARD_BYTES,
    INTEGER_BITS,
    JSON_BYTES,
    LEVELS,
    PLAIN_SCALAR,
    QUOTED,
    YAML_BYTES,
    YAML_EVENTS,
)

_Loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_NUMBERLIKE = re.compile(r"[-+0-9a-fA-FxXob_.:eE]*")
_FENCE = re.compile(r"---[ \t]*\r?\n")
_END = re.compile(r"^---[ \t]*\r?(?:\n|\Z)", re.MULTILINE)


QUOTES = ("'", '"', "|", ">")
"""How YAML marks text that cannot be a number."""


class Unreadable(ValueError):
    """What was read is not what it should be; the text says why."""


def read_bytes(path: Path, most: int) -> bytes:
    """The content of a regular file of at most `most` bytes.

    Raises: Unreadable, if it is longer, or a device, pipe, socket or folder; OSError.
    """
    with open_regular(path) as file:
        large = os.fstat(file.fileno()).st_size > most
        content = b"" if large else file.read(most + 1)
    if large or len(content) > most:
        raise Unreadable(f"it has more than {most:,} bytes")
    return content


@contextmanager
def open_regular(path: Path) -> Iterator[BinaryIO]:
    """An open regular file. Raises: Unreadable, at once, also for a pipe; OSError."""
    descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0))
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise Unreadable("it is no regular file")
    except BaseException:
        os.close(descriptor)
        raise
    with os.fdopen(descriptor, "rb") as file:
        yield file


def read_text(path: Path, most: int) -> str:
    """As `read_bytes`, in UTF-8. Raises: Unreadable, OSError."""
    return decode(read_bytes(path, most))


def read_json(path: Path, most: int = JSON_BYTES) -> Any:
    """As `read_text` and `parse_json`. Raises: Unreadable, OSError."""
    return parse_json(read_text(path, most))


def decode(content: bytes) -> str:
    """UTF-8. Raises: Unreadable."""
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError as error:
        raise Unreadable(f"it is not UTF-8: byte {error.start:,} is {_byte(error)}") from error


def parse_json(text: str) -> Any:
    """The value of a JSON text. Raises: Unreadable, also of one that is too deep."""
    try:
        value = json.loads(text)
    except RecursionError as error:
        raise _too_deep() from error
    except ValueError as error:  # digits beyond Python's limit are no JSONDecodeError
        raise Unreadable(str(error)) from error
    return _bounded(value)


def parse_yaml(text: str, most: int = YAML_BYTES) -> Any:
    """The value of a YAML text of at most `most` characters, without aliases and foreign tags.

    Raises: Unreadable.
    """
    if len(text) > most:
        raise Unreadable(f"it has more than {most:,} characters")
    try:
        _check_events(yaml.parse(text, _Loader))
        value = yaml.load(text, _Loader)  # a SafeLoader, either of them
    except RecursionError as error:
        raise _too_deep() from error
    except Exception as error:  # each kind of value it cannot make ends in its own way
        raise Unreadable(_quoted(error)) from error
    return _bounded(value)


def front_matter(card: str) -> dict[str, Any]:
    """What stands in YAML at the top of a card; empty where there is none.

    Raises: Unreadable, if it is no mapping.
    """
    text = card.removeprefix("\ufeff").lstrip()
    opening = _FENCE.match(text)
    if opening is None:
        return {}
    closing = _END.search(text, opening.end())
    if closing is None:
        return {}
    value = parse_yaml(text[opening.end() : closing.start()])
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise Unreadable(f"its front matter is a {type(value).__name__}, no mapping")
    return value


def read_front_matter(path: Path) -> dict[str, Any]:
    """As `front_matter`, of a file. Raises: Unreadable, OSError."""
    return front_matter(read_text(path, CARD_BYTES))


def _check_events(events: Iterator[Any]) -> None:
    depth = 0
    for number, event in enumerate(events):
        if number > YAML_EVENTS:
            raise Unreadable(f"it has more than {YAML_EVENTS:,} parts")
        if isinstance(event, yaml.AliasEvent):
            raise Unreadable("it repeats itself by reference (*name): write it out")
        depth += isinstance(event, yaml.CollectionStartEvent)
        depth -= isinstance(event, yaml.CollectionEndEvent)
        if depth > LEVELS:
            raise _too_deep()
        if isinstance(event, yaml.ScalarEvent) and len(event.value) > PLAIN_SCALAR:
            plain = event.style not in QUOTES or event.tag is not None
            if plain and _NUMBERLIKE.fullmatch(event.value):
                raise Unreadable(f"it holds a number of {len(event.value):,} characters")


def _bounded(value: Any) -> Any:
    """`value`, if its depth, numbers and strings are within the limits. Raises: Unreadable."""
    todo = [(value, 0)]
    while todo:
        each, depth = todo.pop()
        if depth >= LEVELS and isinstance(each, dict | list):
            raise _too_deep()
        match each:
            case bool() | None:
                continue
            case str():
                _check_text(each)
            case int():
                if each.bit_length() > INTEGER_BITS:
                    raise Unreadable(f"it holds a number of more than {INTEGER_BITS} bits")
            case dict():
                todo += [(part, depth + 1) for item in each.items() for part in item]
            case list() | tuple() | set():
                todo += [(part, depth + 1) for part in each]
    return value


def _check_text(text: str) -> None:
    if not text.isascii():
        try:
            text.encode("utf-8")
        except UnicodeEncodeError as error:
            raise Unreadable("it holds half a character (a lone surrogate)") from error


def _too_deep() -> Unreadable:
    return Unreadable(f"it has more than {LEVELS} levels of lists and mappings")


def _byte(error: UnicodeDecodeError) -> str:
    return f"0x{error.object[error.start]:02x}"


def _quoted(error: Exception) -> str:
    return " ".join(str(error).split())[:QUOTED] or type(error).__name__
