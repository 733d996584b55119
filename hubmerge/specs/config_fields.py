"""Fields of a configuration by dotted paths: `text_config.hidden_size`, `hidden_sizes.0`; sizes."""

from __future__ import annotations

import re
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


def size_of(config: Any, text: str) -> int | None:
    """The size that `text` stands for: fields and numbers, multiplied and divided left to right.

    "head_dim", "hidden_size / num_attention_heads", "rope_parameters.partial_rotary_factor * 64".
    With "?" at its end: None, where a field of it is absent or null.
    Raises: ValueError, if a field holds no number, or what comes out is not whole.
    """
    optional, text = text.endswith("?"), text.removesuffix("?")
    size: float = 1
    said = []
    for sign, term in zip("*" + re.sub(r"[^*/]", "", text), re.split(r"[*/]", text), strict=True):
        name = term.strip()
        value = float(name) if re.fullmatch(r"\d+(\.\d+)?", name) else field_of(config, name)
        if value is None and optional:
            return None
        said.append(f"{name} = {value!r}")
        if isinstance(value, bool) or not isinstance(value, int | float) or value <= 0:
            raise ValueError(", ".join(said))
        size = size * value if sign == "*" else size / value
    if abs(size - round(size)) > 1e-9 * size:
        raise ValueError(f"{', '.join(said)}: {size}")
    return round(size)
