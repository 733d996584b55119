"""Single files of rows: what they are called, and which reader of `datasets` is for them."""

from __future__ import annotations

from pathlib import Path

READERS = {
    ".txt": "text",
    ".jsonl": "json",
    ".json": "json",
    ".csv": "csv",
    ".tsv": "csv",
    ".parquet": "parquet",
}
"""Ending -> reader. A text file holds one row a line."""


def is_row_file(name: str) -> bool:
    """Whether a file of this name can be a data set by itself."""
    return Path(name).suffix.lower() in READERS


def local_noun(name: str) -> str:
    """What lies on a disk under this name: "file" of rows, or "folder"."""
    return "file" if is_row_file(name) else "folder"
