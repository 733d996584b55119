"""An option and its value as the words of a command line."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from hubmerge.options.declared import DeclaredOption


def written(option: DeclaredOption, value: Any) -> Iterator[str]:
    """The words of a command line that give the option this value."""
    if isinstance(value, dict):
        for name, each in value.items():
            yield from (option.flag, f"{name}={_text(each)}")
    elif option.repeats:
        for each in value:
            yield from (option.flag, each)
    elif isinstance(value, tuple | list):
        yield from (option.flag, ",".join(map(_text, value)))
    elif isinstance(value, bool):
        yield option.flag
    else:
        yield from (option.flag, _text(value))


def _text(value: bool | int | float | str) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
