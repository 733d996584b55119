"""Repo cards: the YAML at the top of a README, what it says, and whether the Hub would take it."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from datetime import date
from typing import Any

import yaml

_FRONT = re.compile(r"\A\s*---[ \t]*\r?\n(.*?)^---[ \t]*\r?(?:\n|\Z)", re.DOTALL | re.MULTILINE)
_REPO_ID = re.compile(r"[\w.-]+(?:/[\w.-]+)?", re.ASCII)

STRINGS = ("license", "license_name", "pipeline_tag", "library_name", "base_model_relation")
LISTS = ("tags", "datasets", "base_model", "language", "metrics")
REPO_IDS = ("datasets", "base_model")


class _NoAliases(yaml.SafeLoader):
    """YAML without anchors: a few lines of nested aliases would fill the memory."""

    def compose_node(self, parent: Any, index: Any) -> Any:
        if self.check_event(yaml.events.AliasEvent):
            raise yaml.YAMLError("aliases (*name) are not supported in a card")
        return super().compose_node(parent, index)


def split(content: str) -> tuple[str | None, str]:
    """The YAML block (None without one) and the Markdown after it."""
    found = _FRONT.match(content)
    return (found.group(1), content[found.end() :]) if found else (None, content)


def metadata(content: str) -> dict[str, Any]:
    """What the card says about itself, as JSON can hold it; empty if it is not valid."""
    block, _ = split(content)
    try:
        loaded = yaml.load(block or "", _NoAliases)
    except (yaml.YAMLError, ValueError, RecursionError):
        return {}
    return _plain(loaded) if isinstance(loaded, dict) else {}


def problems(content: str) -> tuple[list[str], list[str]]:
    """Errors (the Hub refuses the card) and warnings (it takes it)."""
    block, _ = split(content)
    if block is None or not block.strip():
        return [], ["empty or missing yaml metadata in repo card"]
    try:
        loaded = yaml.load(block, _NoAliases)
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        return [f"bad yaml: {error}"], []
    if not isinstance(loaded, dict):
        return ["the metadata must be a mapping of names to values"], []
    return list(_wrong_fields(loaded)), []


def _wrong_fields(card: Mapping[str, Any]) -> Iterator[str]:
    for name in STRINGS:
        allowed = (str, list) if name == "license" else (str,)
        if card.get(name) is not None and not isinstance(card[name], allowed):
            yield f'"{name}" must be a string'
    for name in LISTS:
        values = as_list(card.get(name))
        if not all(isinstance(value, str) for value in values):
            yield f'"{name}" must be a string or a list of strings'
        elif name in REPO_IDS:
            for value in values:
                if not _REPO_ID.fullmatch(value):
                    yield f'"{name}" with value "{value}" is not valid: use an id from the Hub'
    index = card.get("model-index")
    if index is None:
        return
    if not isinstance(index, list) or not all(isinstance(model, dict) for model in index):
        yield '"model-index" must be a list'
        return
    for number, model in enumerate(index):
        if not isinstance(model.get("name"), str):
            yield f'"model-index[{number}].name" is required'
        results = model.get("results")
        if not isinstance(results, list):
            yield f'"model-index[{number}].results" must be a list'
            continue
        for each, result in enumerate(results):
            where = f"model-index[{number}].results[{each}]"
            for part, field in (("task", "type"), ("dataset", "type"), ("dataset", "name")):
                section = result.get(part) if isinstance(result, dict) else None
                if not isinstance(section, dict) or not isinstance(section.get(field), str):
                    yield f'"{where}.{part}.{field}" is required'


def tags(card: Mapping[str, Any]) -> list[str]:
    """Tags as the Hub derives them: what `filter=` of a search compares with."""
    found = [value for name in ("library_name", "pipeline_tag") for value in strings(card, name)]
    found += strings(card, "tags") + strings(card, "language")
    found += [f"dataset:{value}" for value in strings(card, "datasets")]
    relation = "".join(f"{value}:" for value in strings(card, "base_model_relation"))
    for value in strings(card, "base_model"):
        found += [f"base_model:{value}"] + ([f"base_model:{relation}{value}"] if relation else [])
    found += [f"license:{value}" for value in strings(card, "license")]
    return list(dict.fromkeys(found))


def strings(card: Mapping[str, Any], name: str) -> list[str]:
    """The strings a field holds, however the card wrote them."""
    return [value for value in as_list(card.get(name)) if isinstance(value, str)]


def as_list(value: Any) -> list[Any]:
    """One, none or many, as a list."""
    if value is None:
        return []
    return value if isinstance(value, list) else [value]


def _plain(value: Any) -> Any:
    """`value` with JSON's types only."""
    match value:
        case dict():
            return {str(name): _plain(each) for name, each in value.items()}
        case list() | tuple() | set():
            return [_plain(each) for each in value]
        case float() if not math.isfinite(value):
            return None
        case date():
            return value.isoformat()
        case bytes():
            return value.hex()
        case _:
            return value
