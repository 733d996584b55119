"""The tokenizer beside a model that reads texts: loading it, and whether two of them are one."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from transformers import AutoTokenizer

from hubmerge.errors import MismatchError, WeightsError
from hubmerge.errors.wording import option
from hubmerge.hub.other_formats import refuse_pointer
from hubmerge.utils.foreign import refusing

TOKENIZER = "tokenizer_config.json"
FAST = "tokenizer.json"
"""All of a tokenizer of the library tokenizers."""
FILES = (
    TOKENIZER,
    FAST,
    "special_tokens_map.json",
    "added_tokens.json",
    "vocab.json",
    "vocab.txt",
    "merges.txt",
    "tokenizer.model",
    "spiece.model",
    "sentencepiece.bpe.model",
)
"""Files that hold one, of which a model has some."""

TEMPLATE = "chat_template.jinja"
"""The chat template that is used by default."""

OTHER_VOCABULARIES = (
    "rows of embedding and head stand for tokens: "
    f"{option('tokenizer', 'union')} brings them together, or the letter of the model whose "
    "vocabulary is kept"
)
"""What to try with models of other vocabularies."""

PADDING = "pad_token"

CUTTING = re.compile(
    r"do_|tokenize_|(add|remove|split|strip|keep)_|lower|legacy|phoneme|phonemizer"
    r"|(sub)?word_tokenizer|sp_model_kwargs|never_split"
)
"""Beginnings of the settings of slow tokenizers that decide which tokens a text has."""

FREE = ("truncation", "padding", "version")
"""Parts of a tokenizer's own description that do not decide which tokens a text has."""


def load_tokenizer(
    folder: Path, ref: str, config: Any | None = None, *, trust_remote_code: bool = False
) -> Any | None:
    """The tokenizer in `folder`; None if there is none. Raises: WeightsError.

    config: the model's, where it was read already.
    """
    held = [folder / name for name in FILES if (folder / name).is_file()]
    if not held:
        return None
    for path in held:
        refuse_pointer(path)

    def unusable(said: str) -> WeightsError:
        return WeightsError(f"the tokenizer of {ref} cannot be used", found=said)

    with refusing(unusable):
        return AutoTokenizer.from_pretrained(
            folder, config=config, trust_remote_code=trust_remote_code, local_files_only=True
        )


def tokenizer_fields(tokenizer: Any) -> dict[str, Any]:
    """What a plan shows of one."""
    return {"tokenizer": type(tokenizer).__name__, "tokens": len(tokenizer.get_vocab())}


def check_same_tokens(a: Any, b: Any, a_ref: str, b_ref: str) -> None:
    """Raises: MismatchError, unless both tokenizers give every text the same tokens.

    A padding token that one of them alone has stands in no text, and is not compared.
    """
    alone, ours, theirs = padding_of_one(a, b), a.get_vocab(), b.get_vocab()
    added = alone if (alone in ours) != (alone in theirs) else None
    ours, theirs = _without(added, ours, a), _without(added, theirs, b)
    if ours != theirs:
        token = min(t for t in {**ours, **theirs} if ours.get(t) != theirs.get(t))
        raise _other(
            "vocabulary",
            f"{len(ours):,} tokens in {a_ref}, {len(theirs):,} in {b_ref}\n"
            f"{token!r} is {_number(ours, token)} in {a_ref}, {_number(theirs, token)} in {b_ref}",
        )
    special = [
        {
            name: token
            for name, token in tokenizer.special_tokens_map.items()
            if not (alone is not None and name == PADDING)
        }
        for tokenizer in (a, b)
    ]
    if special[0] != special[1]:
        raise _other("special tokens", f"{special[0]} in {a_ref}\n{special[1]} in {b_ref}")
    left, right = _description(a, added), _description(b, added)
    for part in {**left, **right}:
        if left.get(part) != right.get(part):
            raise _other(f"how texts are cut into tokens: {part}", "the vocabulary is the same")


def padding_of_one(a: Any, b: Any) -> str | None:
    """The padding token that one of two tokenizers alone has; None where both or none have one."""
    ours, theirs = (tokenizer.special_tokens_map.get(PADDING) for tokenizer in (a, b))
    return None if ours and theirs else ours or theirs


def _without(alone: str | None, vocabulary: dict[str, int], tokenizer: Any) -> dict[str, int]:
    """A vocabulary without a padding token that was added to it, and is nothing else besides."""
    if alone not in _added(tokenizer):
        return vocabulary
    return {token: number for token, number in vocabulary.items() if token != alone}


def _added(tokenizer: Any) -> set[str]:
    """Tokens that were added for padding alone."""
    other = {token for name, token in tokenizer.special_tokens_map.items() if name != PADDING}
    return {*tokenizer.get_added_vocab()} - other


def _number(vocabulary: dict[str, int], token: str) -> str:
    return f"token {vocabulary[token]}" if token in vocabulary else "no token"


def _description(tokenizer: Any, alone: str | None) -> dict[str, Any]:
    """What a fast tokenizer says of itself; of others the class is known, and its settings.

    alone: a token that was added for padding, and that another one does not have.
    """
    backend = getattr(tokenizer, "backend_tokenizer", None)
    if backend is None:
        given = getattr(tokenizer, "init_kwargs", {})
        return {"class": type(tokenizer).__name__} | {
            name: value for name, value in given.items() if CUTTING.match(name)
        }
    said = {part: said for part, said in json.loads(backend.to_str()).items() if part not in FREE}
    if alone is not None:
        tokens = said.get("added_tokens") or []
        said["added_tokens"] = [token for token in tokens if token.get("content") != alone]
    return said


def _other(what: str, found: str) -> MismatchError:
    return MismatchError(
        f"the models' tokenizers differ in {what}",
        found=found,
        source=TOKENIZER,
        hint=OTHER_VOCABULARIES,
        field="tokenizer",
    )
