"""Fields of a configuration by dotted paths: `text_config.hidden_size`, `hidden_sizes.0`."""

from __future__ import annotations

from typing import Any


def field_of(config: Any, path: str) -> Any:
    """What stands at `path`: fields of nested configurations by name, of lists by number.

    None, where there is no such field.
    """
    value = config
    for part in path.split("."):
        if isinstance(value, list | tuple):
            value = value[int(part)] if part.isdigit() and int(part) < len(value) else None
        elif isinstance(value, dict):
            value = value.get(part)
        else:
            value = getattr(value, part, None)
    return value
