"""Rows that are copies of each other, which are no evidence of their own."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from typing import Any

from hubmerge.data.dataset import DataSet
from hubmerge.data.rows import RowSet


def without_copies(data: DataSet, rows: RowSet, least: int) -> tuple[RowSet, str | None]:
    """The same rows, or the first of each kind where fewer than `least` of them differ in what a
    model is given; and what to say of that.

    least: rows that a conclusion takes. Reads no further than it has found so many.
    """
    seen: dict[bytes, int] = {}
    for row in rows.indices if len(rows) >= least else ():
        seen.setdefault(_digest(data, rows.split, row), row)
        if len(seen) >= least:
            return rows, None
    if len(rows) < least:
        return rows, None
    said = (
        f'of {len(rows):,} rows of split "{rows.split}" no more than {len(seen):,} differ, and '
        "copies say nothing new: each was measured once"
    )
    return replace(rows, indices=tuple(seen.values())), said


def _digest(data: DataSet, split: str, row: int) -> bytes:
    """A hash of what a model is given of a row."""
    cells = data.splits[split][row]
    found = hashlib.blake2b(digest_size=16)
    for name in _inputs(data):
        found.update(_bytes(cells[name]) + b"\0")
    return found.digest()


def _inputs(data: DataSet) -> list[str]:
    given = (
        data.image_column,
        data.feature_column,
        data.text_column,
        data.pair_column,
        data.negative_column,
        data.audio_column,
    )
    return [name for name in given if name is not None]


def _bytes(cell: Any) -> bytes:
    """A cell as bytes: of a file what is in it, or else its name."""
    if isinstance(cell, dict) and isinstance(cell.get("bytes"), bytes):
        content: bytes = cell["bytes"]
        return content
    return repr(cell).encode(errors="surrogatepass")
