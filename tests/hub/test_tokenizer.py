"""Tokenizers are one where every text has the same tokens, slow ones included."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from transformers import Wav2Vec2CTCTokenizer

from hubmerge.errors import MismatchError
from hubmerge.hub.tokenizer import check_same_tokens

VOCABULARY = {"<pad>": 0, "<s>": 1, "</s>": 2, "<unk>": 3, "|": 4, "a": 5, "A": 6}


def slow(folder: Path, **settings: Any) -> Wav2Vec2CTCTokenizer:
    (folder / "vocab.json").write_text(json.dumps(VOCABULARY))
    return Wav2Vec2CTCTokenizer(folder / "vocab.json", **settings)


def test_slow_tokenizers_of_other_settings_are_not_one(tmp_path: Path) -> None:
    """One lowers what it reads, by the same vocabulary."""
    a, b = slow(tmp_path), slow(tmp_path, do_lower_case=True)
    assert a.tokenize("A a") != b.tokenize("A a")
    with pytest.raises(MismatchError, match="cut into tokens: do_lower_case"):
        check_same_tokens(a, b, "a", "b")


def test_what_decides_no_token_is_free(tmp_path: Path) -> None:
    b = slow(tmp_path, replace_word_delimiter_char="_", model_max_length=9)
    check_same_tokens(slow(tmp_path), b, "a", "b")
