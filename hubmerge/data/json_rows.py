"""JSON files that their readers do not survive, or not in reasonable time.

Each name in them becomes a column, or a field within one, which takes `datasets` a millisecond.
That of pyarrow (26) reads lines in blocks, and ends the process where the first value of a block is
null. Rows that are null say nothing anyway, so that files with such a row are refused.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, BinaryIO

from hubmerge.data.expansion import contents
from hubmerge.utils.limits import COLUMNS, MB
from hubmerge.utils.untrusted import Unreadable

AT_ONCE = 1 << 20
"""Bytes of a line that are looked at together."""
ENCODING = "utf-8"
"""In which lines are looked at; a data set's card may name another."""
LOOKED_AT = 64 * MB
"""Bytes of a file in which names of columns are counted."""
STRING = re.compile(rb'"([^"\\]*(?:\\.[^"\\]*)*)(?:"(\s*:)?|\\?\Z)', re.DOTALL)
"""A string, and whether it is the name of something; the last one may have no end. Whatever begins
matches, so that nothing is gone through twice."""
MARK = b"\xef\xbb\xbf"
"""What some editors begin such a file with."""


def refuse_json(path: Path, config: Any = None) -> None:
    """Raises: Unreadable, if a line of a JSON file begins with null, or if it names more than
    `COLUMNS` columns; OSError.

    Parameters:
        config: how `datasets` reads it.
    """
    if getattr(config, "encoding", ENCODING) != ENCODING:
        raise Unreadable(f"{path.name!r} is to be read as {config.encoding!r}, not as {ENCODING}")
    for file in contents(path):
        if (names := _names(file.read(LOOKED_AT))) > COLUMNS:
            raise Unreadable(f"{path.name!r} has {names:,} columns, at most {COLUMNS:,}")
    for file in contents(path):
        if (row := _null_row(file)) is not None:
            raise Unreadable(f"line {row:,} of {path.name!r} is null, where a row is expected")


def _names(beginning: bytes) -> int:
    """How many names of columns, and of what lies within them, a file has."""
    return len({found[1] for found in STRING.finditer(beginning) if found[2]})


def _null_row(file: BinaryIO) -> int | None:
    number, begins = 1, True
    while piece := file.readline(AT_ONCE):
        if begins:
            found = piece.removeprefix(MARK).lstrip()
            if found.startswith(b"null"):
                return number
            begins = not found  # a line may begin with more blanks than are looked at together
        if piece.endswith(b"\n"):
            number, begins = number + 1, True
    return None
