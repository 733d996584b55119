"""What makes a sentence-transformers repository of a model: its modules, and how they pool.

Format: `modules.json` lists modules by path and class; the first is the transformer itself.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hubmerge.errors import WeightsError
from hubmerge.utils.untrusted import read_json

MODULES = "modules.json"
SETTINGS = "config_sentence_transformers.json"
LENGTH = "sentence_bert_config.json"
FILES = (MODULES, SETTINGS, LENGTH)
MODULE_FILE = re.compile(r"\d{1,3}_[A-Za-z]{1,40}/config\.json")
"""What a module without weights consists of."""
POOLING, NORMALIZE = "Pooling", "Normalize"
KNOWN = ("Transformer", POOLING, NORMALIZE)
"""Modules that have no weights beside those of the transformer."""
PREFIX = "pooling_mode_"
LIBRARY = "sentence-transformers"


@dataclass(frozen=True)
class SentenceModules:
    """How states of tokens become an embedding, and texts states.

    pooling: the ways, as in `hubmerge.models.pooling`. most: tokens a text has at most; None where
    the tokenizer says it, as sentence-transformers 6 writes. prompt: what stands before each text
    by default. lower: whether capitals are made small. given: whether there are any modules.
    """

    pooling: tuple[str, ...] = ("mean_tokens",)
    most: int | None = None
    prompt: str = ""
    lower: bool = False
    given: bool = False


def module_files(names: Collection[str]) -> list[str]:
    """Those of `names` that belong to modules without weights."""
    return [name for name in names if MODULE_FILE.fullmatch(name)] if MODULES in names else []


def read_modules(folder: Path, ref: str) -> SentenceModules:
    """What lies in a model's folder; mean pooling, as sentence-transformers has it where nothing
    is said. Raises: WeightsError, for what is said in another way.
    """
    if not (folder / MODULES).is_file():
        return SentenceModules()
    found = json_of(folder / MODULES, ref)
    modules = found if isinstance(found, list) else []
    kinds = [str(each.get("type", "")).rpartition(".")[2] for each in modules]
    paths = [str(each.get("path", "")) for each in modules]
    ways: tuple[str, ...] = ("mean_tokens",)
    pooling: dict[str, Any] = {}
    if POOLING in kinds:
        place = f"{paths[kinds.index(POOLING)]}/config.json"
        if not MODULE_FILE.fullmatch(place) or not (folder / place).is_file():
            raise _strange(ref, f"{MODULES} names {place!r}, which is not there")
        pooling = json_of(folder / place, ref)
        ways = ways_of(pooling, ref)
    length = json_of(folder / LENGTH, ref) if (folder / LENGTH).is_file() else {}
    settings = json_of(folder / SETTINGS, ref) if (folder / SETTINGS).is_file() else {}
    prompts, default = settings.get("prompts") or {}, settings.get("default_prompt_name")
    most, prompt = length.get("max_seq_length"), str(prompts.get(default) or "")
    if prompt and pooling.get("include_prompt") is False:
        raise _strange(ref, "the tokens of its prompt are left out of the embedding")
    return SentenceModules(
        pooling=ways,
        most=most if isinstance(most, int) else None,
        prompt=prompt,
        lower=length.get("do_lower_case") is True,
        given=True,
    )


def ways_of(config: dict[str, Any], ref: str) -> tuple[str, ...]:
    """The ways of a pooling module's configuration. Raises: WeightsError, for others."""
    from hubmerge.models.pooling import WAYS

    said = config.get("pooling_mode")
    names = [said] if isinstance(said, str) else []
    if said in ("cls", "max", "mean"):
        names = [{"cls": "cls_token", "max": "max_tokens", "mean": "mean_tokens"}[said]]
    names += [
        name.removeprefix(PREFIX)
        for name, wanted in config.items()
        if name.startswith(PREFIX) and wanted is True
    ]
    if not names or not {*names} <= {*WAYS}:
        raise _strange(ref, f"pooling {', '.join(names) or 'of no kind'}")
    return tuple(name for name in WAYS if name in names)


def json_of(path: Path, ref: str) -> Any:
    """What a JSON file of a repository says. Raises: WeightsError."""
    try:
        return read_json(path)
    except (ValueError, OSError) as error:
        raise _strange(ref, f"{path.name}: {error}") from error


def _strange(ref: str, found: str) -> WeightsError:
    return WeightsError(f"the modules of {ref} cannot be used", found=found, source=MODULES)
