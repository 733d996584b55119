"""Fields of a configuration that one version of transformers writes and another leaves out.

They explain a difference where their value is the one that stock code takes in their absence, and
where what it makes of both configurations is the same in everything.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from transformers import CONFIG_MAPPING, GenerationConfig

import hubmerge.models  # noqa: F401  registers the MLP head with the Auto classes
from hubmerge.hub.calm import calm
from hubmerge.hub.layout import CONFIG, GENERATION

Fields = Mapping[str, Any]
Field = tuple[str, ...]
"""Names of a field, from the top of the file to it."""


def default_fields(name: str, said: Any, found: Any) -> list[str]:
    """Fields that only one of two configurations has, if they are defaults and all that differs.

    name: of the file. said, found: its fields as published and as made again; what is made of
    `found` is bounded already, and of `said` only what adds nothing to it but defaults.
    Returns: their names with dots; none where the two differ in anything else.
    """
    load = LOADERS.get(name)
    if load is None or not (isinstance(said, dict) and isinstance(found, dict)):
        return []
    if not _same_where_both(said, found):
        return []
    added, omitted = dict(_only_in(said, found)), dict(_only_in(found, said))
    try:
        with calm():
            ours = load(found)
            if not all(_is_default(value, ours, field) for field, value in added.items()):
                return []
            theirs = load(said)
    except Exception:  # each class refuses in its own way what it cannot be made of
        return []
    if theirs != ours or not all(_is_default(v, theirs, field) for field, v in omitted.items()):
        return []
    return sorted(".".join(field) for field in (*added, *omitted))


def _same_where_both(said: Fields, found: Fields) -> bool:
    for name in said.keys() & found.keys():
        left, right = said[name], found[name]
        if isinstance(left, dict) and isinstance(right, dict):
            if not _same_where_both(left, right):
                return False
        elif not _equal(left, right):
            return False
    return True


def _only_in(fields: Fields, others: Fields, at: Field = ()) -> Iterator[tuple[Field, Any]]:
    """Fields that `others` lacks, and their values."""
    for name, value in fields.items():
        if name not in others:
            yield (*at, name), value
        elif isinstance(value, dict) and isinstance(others[name], dict):
            yield from _only_in(value, others[name], (*at, name))


def _is_default(value: Any, loaded: Fields, field: Field) -> bool:
    """Whether `loaded` has just this value there."""
    here: Any = loaded
    for name in field:
        if not isinstance(here, dict) or name not in here:
            return False
        here = here[name]
    return _equal(here, value)


def _equal(left: Any, right: Any) -> bool:
    """Whether two values of JSON are the same: in it 1, 1.0 and true are three."""
    return json.dumps(left, sort_keys=True) == json.dumps(right, sort_keys=True)


def _config(fields: Fields) -> Fields:
    config = CONFIG_MAPPING[fields["model_type"]].from_dict(dict(fields))
    loaded: Fields = json.loads(config.to_json_string(use_diff=False))
    return loaded


def _generation(fields: Fields) -> Fields:
    loaded: Fields = json.loads(
        GenerationConfig.from_dict(dict(fields)).to_json_string(use_diff=False)
    )
    return loaded


LOADERS: Mapping[str, Callable[[Fields], Fields]] = {CONFIG: _config, GENERATION: _generation}
"""File -> every field of what stock code makes of it."""
