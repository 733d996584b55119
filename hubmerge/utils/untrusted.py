"""Reading text of strangers: regular files only, of a bounded size; JSON of bounded depth and
numbers (YAML: `untrusted_yaml.py`). What is no such text is one error, in a sentence.
"""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

from hubmerge.utils.limits import INTEGER_BITS, JSON_BYTES, LEVELS


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
        raise too_deep() from error
    except ValueError as error:  # digits beyond Python's limit are no JSONDecodeError
        raise Unreadable(str(error)) from error
    return bounded(value)


def said_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object of JSON (`object_pairs_hook`). Raises: Unreadable, where it says something twice,
    of which every reader takes another."""
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise Unreadable(f"it says {twice[:80]!r} twice")
    return found


def bounded(value: Any) -> Any:
    """`value`, if its depth, numbers and strings are within the limits. Raises: Unreadable."""
    todo = [(value, 0)]
    while todo:
        each, depth = todo.pop()
        if depth >= LEVELS and isinstance(each, dict | list):
            raise too_deep()
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


def too_deep() -> Unreadable:
    """The error for lists and mappings within each other, beyond all that is honest."""
    return Unreadable(f"it has more than {LEVELS} levels of lists and mappings")


def _byte(error: UnicodeDecodeError) -> str:
    return f"0x{error.object[error.start]:02x}"
