"""Repo cards: the YAML at the top of a README, what it says, and whether the Hub would take it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import lru_cache
from itertools import chain, islice
from typing import Any

import yaml

from hubmerge.localhub import limits
from hubmerge.localhub.plain import plain, text

_FRONT = re.compile(r"\A\s*---[ \t]*\r?\n(.*?)^---[ \t]*\r?(?:\n|\Z)", re.DOTALL | re.MULTILINE)
_REPO_ID = re.compile(r"[\w.-]+(?:/[\w.-]+)?", re.ASCII)

STRINGS = ("license", "license_name", "pipeline_tag", "library_name", "base_model_relation")
LISTS = ("tags", "datasets", "base_model", "language", "metrics")
REPO_IDS = ("datasets", "base_model")
LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
OF_THE_CLIENT = ("self", "ignore_metadata_errors", "eval_results")
"""Names that the Hub's client takes for its own parameters: one in a card would break its answer
for all who list that card."""
MESSAGES = 100
"""Most problems of one card that are named."""


class BadCard(Exception):
    """The metadata cannot be read, and why."""


def split(content: str) -> tuple[str | None, str]:
    """The YAML block (None without one) and the Markdown after it."""
    found = _FRONT.match(content)
    return (found.group(1), content[found.end() :]) if found else (None, content)


def metadata(content: str) -> Mapping[str, Any]:
    """What the card says about itself, as JSON can hold it and the Hub's client takes it.

    Fields of a wrong kind are left out, and everything is if the block cannot be read.
    """
    return _metadata(split(content)[0] or "")


@lru_cache(maxsize=1024)
def _metadata(block: str) -> Mapping[str, Any]:
    try:
        loaded = _read(block)
    except BadCard:
        return {}
    if not isinstance(loaded, dict):
        return {}
    card = plain(loaded)
    wrong = {field for field, _ in _wrong_fields(card)}
    return {name: each for name, each in card.items() if name not in wrong}


def problems(content: str) -> tuple[list[str], list[str]]:
    """Errors (the Hub refuses the card) and warnings (it takes it)."""
    block, _ = split(content)
    if block is None or not block.strip():
        return [], ["empty or missing yaml metadata in repo card"]
    try:
        loaded = _read(block)
    except BadCard as error:
        return [f"bad yaml: {error}"], []
    if not isinstance(loaded, dict):
        return ["the metadata must be a mapping of names to values"], []
    card = plain(loaded)
    found = chain((said for _, said in _wrong_fields(card)), _wrong_ids(card))
    return list(islice(found, MESSAGES)), []


def entries(content: str) -> list[dict[str, Any]] | None:
    """Results in benchmarks that a file states, as the Hub's client takes them.

    None, if it states none.
    """
    try:
        loaded = plain(_read(content))
    except BadCard:
        return None
    listed = loaded if isinstance(loaded, list) else [loaded]
    good = [
        each
        for each in listed
        if isinstance(each, dict)
        and isinstance(each.get("dataset"), dict)
        and {"id", "task_id"} <= each["dataset"].keys()
        and "value" in each
    ]
    return good if len(good) == len(listed) else None


def _read(block: str) -> Any:
    """The YAML of a card. Raises: BadCard, before work on what is long, deep or repeats itself."""
    if len(block) > limits.METADATA:
        raise BadCard(f"more than {limits.METADATA:,} characters")
    try:
        depth = 0
        for event in yaml.parse(block, LOADER):
            depth += isinstance(event, yaml.CollectionStartEvent)
            depth -= isinstance(event, yaml.CollectionEndEvent)
            if isinstance(event, yaml.AliasEvent):
                raise BadCard("aliases (*name) are not supported in a card")
            if depth > limits.DEPTH:
                raise BadCard(f"more than {limits.DEPTH} levels")
        return yaml.load(block, LOADER)
    except BadCard:
        raise
    except Exception as error:  # PyYAML's constructors raise many types on tags like !!int ""
        raise BadCard(text(str(error))) from None


def _wrong_fields(card: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Fields that the Hub refuses, each with what is wrong about it."""
    for name in OF_THE_CLIENT:
        if name in card:
            yield name, f'"{name}" is not a field of a card'
    for name in STRINGS:
        allowed = (str, list) if name == "license" else (str,)
        if card.get(name) is not None and not isinstance(card[name], allowed):
            yield name, f'"{name}" must be a string'
    for name in LISTS:
        if not all(isinstance(value, str) for value in as_list(card.get(name))):
            yield name, f'"{name}" must be a string or a list of strings'
    for said in _wrong_index(card.get("model-index")):
        yield "model-index", said


def _wrong_ids(card: Mapping[str, Any]) -> Iterator[str]:
    for name in REPO_IDS:
        for value in strings(card, name):
            if not _REPO_ID.fullmatch(value):
                yield f'"{name}" with value "{value}" is not valid: use an id from the Hub'


def _wrong_index(index: Any) -> Iterator[str]:
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
