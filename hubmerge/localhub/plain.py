"""Values that strangers wrote, as every reader of JSON takes them."""

from __future__ import annotations

import json
import math
import sys
from datetime import date
from typing import Any

from hubmerge.localhub import limits
from hubmerge.localhub.refusal import Refusal


def plain(value: Any) -> Any:
    """`value` with JSON's types only: what JSON cannot hold becomes null, or text.

    Numbers beyond the range of float64 become null, lone surrogates a question mark.
    """
    match value:
        case None | bool():
            return value
        case dict():
            return {_text(plain(name)): plain(each) for name, each in value.items()}
        case list() | tuple() | set():
            return [plain(each) for each in value]
        case str():
            return text(value)
        case int():
            return value if abs(value) <= sys.float_info.max else None
        case float():
            return value if math.isfinite(value) else None
        case date():
            return value.isoformat()
        case bytes():
            return value.hex()
        case _:
            return text(str(value))


def text(value: str) -> str:
    """`value` as UTF-8 can hold it."""
    return value.encode(errors="replace").decode()


def parse(content: bytes) -> Any:
    """The JSON in a request. Raises: Refusal (400, 413), before long work."""
    if sum(map(content.count, (b"[", b"{", b",", b":"))) > limits.MARKS:
        raise Refusal(413, f"The JSON has more than {limits.MARKS:,} values")
    try:
        written = content.decode()
        value = json.loads(written, parse_constant=_no_number)
        if "\\ud" in written or "\\uD" in written:
            json.dumps(value, ensure_ascii=False).encode()  # a lone surrogate is no text
    except (ValueError, RecursionError):
        raise Refusal(400, "The body is not JSON") from None
    if _depth(value) > limits.DEPTH:
        raise Refusal(400, f"The JSON has more than {limits.DEPTH} levels")
    return value


def _no_number(name: str) -> None:
    raise ValueError(f"{name} is not JSON")


def _depth(value: Any) -> int:
    """Levels of lists and objects within each other."""
    depth, level = 0, [value]
    while level := [each for each in level if isinstance(each, dict | list)]:
        depth += 1
        level = [
            inner for each in level for inner in (each.values() if isinstance(each, dict) else each)
        ]
    return depth


def _text(name: Any) -> str:
    return name if isinstance(name, str) else str(name)
