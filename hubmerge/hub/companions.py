"""What lies beside the weights: what a merge takes along of its parents, and what it does not.

A merge has parent A's companions. What A lacks and another parent has, it gets from the first that
has it: a generation configuration, a chat template. Whatever stays behind is said.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Protocol

from transformers import PreTrainedConfig

from hubmerge.data.sentence_modules import module_files
from hubmerge.hub.config_fields import Fields, config_fields, processor_fields
from hubmerge.hub.fetch import fetch_file, file_sizes
from hubmerge.hub.layout import (
    CONFIG,
    GENERATION,
    INDEX,
    PICKLES,
    PROCESSOR,
    TEMPLATES,
    WEIGHTS,
)
from hubmerge.hub.other_formats import ADAPTER, ADAPTER_WEIGHTS
from hubmerge.hub.source import Source
from hubmerge.hub.tokenizer import FILES, TEMPLATE, TOKENIZER, padding_of_one
from hubmerge.tasks import companion_files
from hubmerge.utils.parent_names import listed, parent_letters
from hubmerge.utils.untrusted import Unreadable, read_json

WRITTEN_BY_TOOLS = ("transformers_version", "_from_model_config")
"""Fields of a generation configuration that say who wrote it."""

NO_COMPANION = re.compile(
    r"""
    (^|/)(readme|license|licence|notice|use_policy|changelog|citation|code_of_conduct)[^/]*$
    | (?<!system_prompt)\.(md|txt|py|pyc|ipynb|sh|log|csv|parquet|arrow|yaml|yml)$
    | \.(png|jpe?g|gif|svg|webp|pdf|mp4|wav)$
    | \.(safetensors|gguf|ggml|onnx|onnx_data|tflite|ot|msgpack|h5|npz|mlmodel|data|zip)$
    | \.safetensors\.index\.json$ | \.bin\.index\.json$
    | (^|/)(trainer_state|training_args|all_results|train_results|eval_results|report)\.json$
    | (^|/)events\.out\.
    """,
    re.VERBOSE | re.IGNORECASE,
)
"""Files that loading and running a model never reads: texts for people, weights in any format, and
what training leaves behind."""

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")
"""What a chat template may be called."""

COMPARED = (TOKENIZER, "tokenizer.json", "special_tokens_map.json", "added_tokens.json")
"""Files of a tokenizer of which nothing is lost where another parent has none: what they say was
compared."""

SHOWN = 5
"""Names in a sentence."""


class Described(Protocol):
    """A `Description` or a `LoadedModel`."""

    @property
    def source(self) -> Source: ...
    @property
    def config(self) -> PreTrainedConfig: ...
    @property
    def processor(self) -> Any | None: ...
    @property
    def tokenizer(self) -> Any | None: ...


def template_files(models: Sequence[Described]) -> dict[str, str]:
    """File name -> text of the chat templates that a merge gets from a later parent than A.

    Empty where A has one, or none has.
    """
    found = _first_template(models)
    return found[1] if found is not None and found[0] else {}


def generation_file(models: Sequence[Described]) -> Path | None:
    """The generation configuration that a merge gets: that of the first parent with one."""
    for model in models:
        if GENERATION in file_sizes(model.source):
            return fetch_file(model.source, GENERATION)
    return None


def remarks(models: Sequence[Described]) -> list[str]:
    """What a reader must know of the files beside the parents, in sentences."""
    letters = parent_letters(len(models))
    found = [
        *_fields_aside(CONFIG, [config_fields(model.config) for model in models]),
        *_processor_fields_aside(models),
        *_padding(models),
        *_templates(models),
        *_generation(models),
    ]
    left: dict[str, list[str]] = {}
    for letter, model in zip(letters, models, strict=True):
        for name in _left_behind(model.source, models[0].source):
            left.setdefault(name, []).append(letter)
    if left:
        said = [f"{name} ({listed(owners)})" for name, owners in left.items()]
        found.append(f"Files beside the parents that the merge does not have: {_some(said)}.")
    return found


def _fields_aside(file: str, fields: Sequence[Fields]) -> Iterator[str]:
    """The fields that differ and were not compared."""
    absent = object()
    names = dict.fromkeys(name for each in fields for name in each.aside)
    said = []
    for name in names:
        values = [each.aside.get(name, absent) for each in fields]
        if any(value != values[0] for value in values):
            owned = [
                f"{'absent' if value is absent else _short(value)} in {letter}"
                for letter, value in zip(parent_letters(len(values)), values, strict=True)
            ]
            said.append(f"{name} ({', '.join(owned)})")
    if said:
        yield (
            f"Fields of {file} that no output of the model depends on were not compared, and are "
            f"parent A's: {_some(said)}."
        )


def _processor_fields_aside(models: Sequence[Described]) -> Iterator[str]:
    processors = [model.processor for model in models]
    if all(hasattr(each, "image_mean") or hasattr(each, "to_dict") for each in processors):
        yield from _fields_aside(PROCESSOR, [processor_fields(each) for each in processors])


def _padding(models: Sequence[Described]) -> Iterator[str]:
    first, *others = models
    for letter, other in zip(parent_letters(len(models))[1:], others, strict=True):
        if first.tokenizer is None or other.tokenizer is None:
            continue
        if (alone := padding_of_one(first.tokenizer, other.tokenizer)) is None:
            continue
        owner, without = (letter, "A") if other.tokenizer.pad_token else ("A", letter)
        yield (
            f"Parent {owner} has a padding token, {_short(alone)}, and parent {without} has none: "
            "the merge has A's tokenizer."
        )


def _templates(models: Sequence[Described]) -> Iterator[str]:
    letters = parent_letters(len(models))
    for letter, model in zip(letters, models, strict=True):
        if odd := [name for name in _named_templates(model) if not _may_name(name)]:
            yield (
                f"Parent {letter} has chat templates whose names are none, which a merge gets from "
                f"no parent but A: {_some([_short(name) for name in odd])}."
            )
    found = _first_template(models)
    if found is None:
        return
    owner, files = found
    if owner:
        yield f"The chat template is parent {letters[owner]}'s: parent A has none."
    others = [letters[n] for n, m in enumerate(models) if templates_of(m) not in ({}, files)]
    if others:
        yield (
            f"Parent {listed(others)} has another chat template than the merge, whose is parent "
            f"{letters[owner]}'s."
        )


def _generation(models: Sequence[Described]) -> Iterator[str]:
    letters = parent_letters(len(models))
    held = {
        letter: _generation_fields(fetch_file(model.source, GENERATION))
        for letter, model in zip(letters, models, strict=True)
        if GENERATION in file_sizes(model.source)
    }
    if not held:
        return
    owner, fields = next(iter(held.items()))
    if owner != "A":
        yield f"{GENERATION} is parent {owner}'s: parent A has none."
    if others := [letter for letter, each in held.items() if each != fields]:
        differing = sorted(
            {
                name
                for letter in others
                for name in {**fields, **held[letter]}
                if fields.get(name) != held[letter].get(name)
            }
        )
        yield (
            f"{GENERATION} of parent {listed(others)} differs from the merge's, which is parent "
            f"{owner}'s, in {_some(differing)}."
        )


def _generation_fields(path: Path) -> dict[str, Any]:
    try:
        fields = read_json(path)
    except (Unreadable, OSError):
        return {"": "no JSON"}
    if not isinstance(fields, dict):
        return {"": "no JSON object"}
    return {n: v for n, v in fields.items() if v is not None and n not in WRITTEN_BY_TOOLS}


def _first_template(models: Sequence[Described]) -> tuple[int, dict[str, str]] | None:
    """The number of the first parent with chat templates, and these as files."""
    return next(((n, files) for n, m in enumerate(models) if (files := templates_of(m))), None)


def templates_of(model: Described) -> dict[str, str]:
    """The chat templates of a model as files, wherever it keeps them."""
    return {
        TEMPLATE if name == "default" else f"{TEMPLATES}/{name}.jinja": text
        for name, text in _named_templates(model).items()
        if _may_name(name)
    }


def _named_templates(model: Described) -> dict[str, str]:
    given = getattr(model.tokenizer, "chat_template", None)
    if isinstance(given, str) and given:
        return {"default": given}
    if not isinstance(given, dict):
        return {}
    return {str(name): text for name, text in given.items() if isinstance(text, str)}


def _may_name(name: str) -> bool:
    return NAME.fullmatch(name) is not None and ".." not in name


def _left_behind(source: Source, first: Source) -> Iterator[str]:
    """Names of files beside the weights of a parent that a merge, which has those of the first,
    does not take along."""
    brought = file_sizes(first)
    own = {CONFIG, WEIGHTS, INDEX, PROCESSOR, *FILES, *companion_files(), *module_files(brought)}
    taken = {CONFIG, WEIGHTS, INDEX, GENERATION, TEMPLATE, *COMPARED, *own.intersection(brought)}
    for adapter in source.adapters:
        for name in file_sizes(adapter):
            if name not in (ADAPTER, ADAPTER_WEIGHTS) and not NO_COMPANION.search(name):
                yield f"{adapter.id}/{name}"
    for name in file_sizes(source.made_of[0]):
        if name in taken or name.startswith(f"{TEMPLATES}/") or name.startswith("."):
            continue
        if name in own or not (NO_COMPANION.search(name) or name.endswith(PICKLES)):
            yield name


def _short(value: object, most: int = 40) -> str:
    text = repr(value)
    return text if len(text) <= most else f"{text[: most - 3]}..."


def _some(names: Sequence[str]) -> str:
    more = len(names) - SHOWN
    return ", ".join(names[:SHOWN]) + (f" and {more} more" if more > 0 else "")
