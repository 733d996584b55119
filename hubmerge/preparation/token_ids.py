"""Numbers of tokens in configurations, for another vocabulary."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hubmerge.preparation.rows import Vocabulary

ENDINGS = ("_token_id", "_token_ids", "_tokens")
"""Of fields that number tokens: one, or a list."""
TEXT_CONFIG = ("text_config", "decoder", "encoder")
"""Fields that hold a configuration of their own, of a part that reads or writes texts."""


def is_number_of_token(field: str) -> bool:
    """Whether a field numbers tokens."""
    return field.endswith(ENDINGS[:2])


def with_owners_tokens(
    fields: Mapping[str, Any], owner: Mapping[str, Any], size: int
) -> dict[str, Any]:
    """A configuration with the token numbers of `owner`'s, and tables of `size` rows."""
    found = {name: value for name, value in fields.items() if not is_number_of_token(name)}
    found |= {name: value for name, value in owner.items() if is_number_of_token(name)}
    if "vocab_size" in fields:
        found["vocab_size"] = size
    for part in TEXT_CONFIG:
        inner, theirs = fields.get(part), owner.get(part)
        if isinstance(inner, dict) and isinstance(theirs, dict):
            found[part] = with_owners_tokens(inner, theirs, size)
    return found


def renumbered(fields: Mapping[str, Any], own: Vocabulary, wanted: Vocabulary) -> dict[str, Any]:
    """A generation configuration whose tokens have their numbers in another vocabulary.

    Tokens that are not in it are left out.
    """
    named = {number: token for token, number in own.items()}

    def number(given: Any) -> int | None:
        return wanted.get(named.get(given, ""), None) if isinstance(given, int) else None

    found: dict[str, Any] = {}
    for name, value in fields.items():
        if not name.endswith(ENDINGS):
            found[name] = value
        elif isinstance(value, list):
            found[name] = [n for each in value if (n := number(each)) is not None]
        elif (new := number(value)) is not None:
            found[name] = new
    return found
