"""Text of strangers made safe to print: a name may hold what moves a cursor or reorders a line."""

from __future__ import annotations

import re

_PLAIN = re.compile(r"[\n\t -~]*")


def printable(text: str) -> str:
    r"""`text` with everything a terminal would act on, or would not show, as `\u` escapes.

    Those are control and formatting characters but line breaks and tabs, marks that reorder text,
    lone surrogates, and characters that Unicode does not assign. The text of a JSON object stays
    one, of the same value: in it such characters stand within strings alone.
    """
    if _PLAIN.fullmatch(text):
        return text
    return "".join(
        mark if mark.isprintable() or mark in "\n\t" else _escaped(mark) for mark in text
    )


def _escaped(mark: str) -> str:
    """As JSON writes a character: beyond the basic plane as a pair of surrogates."""
    units = mark.encode("utf-16-be", "surrogatepass")
    return "".join(f"\\u{units[n : n + 2].hex()}" for n in range(0, len(units), 2))
