"""What the card of a data set may ask of those who read its files.

`datasets` hands fields of a configuration on to pandas and pyarrow: separators that are regular
expressions, encodings whose decoders take quadratic time, files read byte by byte.
"""

from __future__ import annotations

import codecs
from collections.abc import Mapping
from typing import Any

from hubmerge.utils.untrusted import Unreadable

REFUSED = (
    "batch_size",
    "block_size",
    "chunksize",
    "converters",
    "dialect",
    "engine",
    "filters",
    "fragment_scan_options",
    "memory_map",
    "storage_options",
)
"""Fields that change how files are read, and nothing of what is read."""
SEPARATORS = ("sep", "delimiter", "thousands", "decimal", "quotechar", "escapechar", "comment")
BLANKS = r"\s+"
"""The one separator of several characters that is read: blanks."""
SLOW_ENCODINGS = ("idna", "punycode")
"""Decoders that take time with the square of the text."""


def refuse_reader_options(config: Mapping[str, Any]) -> None:
    """Raises: Unreadable, for a field of a configuration that is not taken from strangers."""
    for name in REFUSED:
        if config.get(name) is not None:
            raise Unreadable(f"its card sets {name!r}, which is up to those who read it")
    for name in SEPARATORS:
        value = config.get(name)
        if (
            value is not None
            and value != BLANKS
            and not (isinstance(value, str) and len(value) == 1)
        ):
            raise Unreadable(
                f"its card sets {name!r} to {value!r:.80}, which is no single character"
            )
    if (encoding := config.get("encoding")) is not None:
        try:
            slow = codecs.lookup(encoding).name in SLOW_ENCODINGS
        except (LookupError, TypeError, ValueError):
            slow = True
        if slow:
            raise Unreadable(f"its card sets 'encoding' to {encoding!r:.80}, which is not read")
