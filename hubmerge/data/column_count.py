"""How many columns a file of rows has, counted before it is read: each costs its readers much."""

from __future__ import annotations

import csv
import io
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

from hubmerge.data.expansion import contents
from hubmerge.utils.limits import COLUMNS, MB
from hubmerge.utils.untrusted import Unreadable

LOOKED_AT = 16 * MB
"""Bytes of a table of text in which its first rows are looked for."""
ROWS = 2
"""Rows that decide how many columns there are: names, and the first values."""
SEPARATORS = {",": "a comma", ";": "a semicolon", "\t": "a tab", "|": "a bar"}


def refuse_columns(path: Path, separator: str, config: Any = None) -> None:
    """Raises: Unreadable, if a table of text has more than `COLUMNS` columns, or one alone whose
    name shows that another separator is meant.

    Parameters:
        separator: what `datasets` divides rows at. config: how it reads them, else.
    """
    encoding = getattr(config, "encoding", None) or "utf-8"
    if len(separator) != 1 or separator not in SEPARATORS:
        separator = ","
    for file in contents(path):
        for number, row in enumerate(_rows(file, encoding, separator)):
            if len(row) > COLUMNS:
                raise Unreadable(f"{path.name!r} has {len(row):,} columns, at most {COLUMNS:,}")
            if number == 0 and len(row) == 1:
                _refuse_other(path, row[0], separator)


def _refuse_other(path: Path, name: str, separator: str) -> None:
    parts = {other: name.split(other) for other in SEPARATORS if other != separator}
    for other, names in parts.items():
        if len(names) > 1 and all(each.strip().strip('"').isidentifier() for each in names):
            raise Unreadable(
                f"the columns of {path.name!r} are divided by {SEPARATORS[other]}: {name!r:.80}; "
                f"save it with {SEPARATORS[separator]}"
            )


def _rows(file: BinaryIO, encoding: str, separator: str) -> Iterator[list[str]]:
    """The first rows that are not empty."""
    beginning = file.read(LOOKED_AT)
    text = io.StringIO(beginning.decode(encoding, "replace"), newline="")
    before = csv.field_size_limit(sys.maxsize)
    try:
        rows = (row for row in csv.reader(text, delimiter=separator) if row)
        for _, row in zip(range(ROWS), rows, strict=False):
            yield row
    except csv.Error:
        return  # reading it will say so
    finally:
        csv.field_size_limit(before)
