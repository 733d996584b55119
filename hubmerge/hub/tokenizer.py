"""The tokenizer beside a model that reads texts: loading it, and whether two of them are one."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from transformers import AutoTokenizer

from hubmerge.errors import MismatchError, WeightsError
from hubmerge.utils.foreign import refusing

TOKENIZER = "tokenizer_config.json"
FILES = (
    TOKENIZER,
    "tokenizer.json",
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

FREE = ("truncation", "padding", "version")
"""Parts of a tokenizer's own description that do not decide which tokens a text has."""


def load_tokenizer(folder: Path, ref: str, *, trust_remote_code: bool = False) -> Any | None:
    """The tokenizer in `folder`; None if there is none. Raises: WeightsError."""
    if not any((folder / name).is_file() for name in FILES):
        return None

    def unusable(said: str) -> WeightsError:
        return WeightsError(f"the tokenizer of {ref} cannot be used", found=said)

    with refusing(unusable):
        return AutoTokenizer.from_pretrained(
            folder, trust_remote_code=trust_remote_code, local_files_only=True
        )


def tokenizer_fields(tokenizer: Any) -> dict[str, Any]:
    """What a plan shows of one."""
    return {"tokenizer": type(tokenizer).__name__, "tokens": len(tokenizer.get_vocab())}


def check_same_tokens(a: Any, b: Any, a_ref: str, b_ref: str) -> None:
    """Raises: MismatchError, unless both tokenizers give every text the same tokens."""
    ours, theirs = a.get_vocab(), b.get_vocab()
    if ours != theirs:
        token = min(t for t in {**ours, **theirs} if ours.get(t) != theirs.get(t))
        raise _other(
            "vocabulary",
            f"{len(ours):,} tokens in {a_ref}, {len(theirs):,} in {b_ref}\n"
            f"{token!r} is {_number(ours, token)} in {a_ref}, {_number(theirs, token)} in {b_ref}",
        )
    if a.special_tokens_map != b.special_tokens_map:
        raise _other(
            "special tokens",
            f"{a.special_tokens_map} in {a_ref}\n{b.special_tokens_map} in {b_ref}",
        )
    left, right = _description(a), _description(b)
    for part in {**left, **right}:
        if left.get(part) != right.get(part):
            raise _other(f"how texts are cut into tokens: {part}", "the vocabulary is the same")


def _number(vocabulary: dict[str, int], token: str) -> str:
    return f"token {vocabulary[token]}" if token in vocabulary else "no token"


def _description(tokenizer: Any) -> dict[str, Any]:
    """What a fast tokenizer says of itself; of others only the class is known."""
    backend = getattr(tokenizer, "backend_tokenizer", None)
    if backend is None:
        return {"class": type(tokenizer).__name__}
    return {part: said for part, said in json.loads(backend.to_str()).items() if part not in FREE}


def _other(what: str, found: str) -> MismatchError:
    return MismatchError(
        f"the models' tokenizers differ in {what}",
        found=found,
        source=TOKENIZER,
        hint="rows of embedding and head stand for tokens: only models of one vocabulary merge",
    )
