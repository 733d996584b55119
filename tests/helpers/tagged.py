"""Rows of tagged words, and texts, for tiny BERTs with a head for each task of tokens."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer
from tokenizers.models import WordPiece
from tokenizers.normalizers import Lowercase
from tokenizers.pre_tokenizers import Whitespace
from tokenizers.processors import TemplateProcessing
from transformers import BertConfig, PreTrainedModel, PreTrainedTokenizerFast

from tests.helpers.texts import DOES, LIKE, WHO

SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
PIECES = [*SPECIAL, "the", "a", ".", *LIKE, *DOES, "cat", "do", "bir", "fox", "mouse", "hor"]
PIECES += ["##g", "##d", "##se"]
TAGS = ["O", "B-WHO", "I-WHO", "B-ACT"]
TOKENS = 14


def tokenizer() -> PreTrainedTokenizerFast:
    """Word pieces, so that some words are several tokens, between [CLS] and [SEP]."""
    numbers = {piece: index for index, piece in enumerate(PIECES)}
    backend = Tokenizer(WordPiece(numbers, unk_token="[UNK]"))
    backend.normalizer, backend.pre_tokenizer = Lowercase(), Whitespace()
    backend.post_processor = TemplateProcessing(
        single="[CLS] $A [SEP]",
        pair="[CLS] $A [SEP] $B:1 [SEP]:1",
        special_tokens=[("[CLS]", numbers["[CLS]"]), ("[SEP]", numbers["[SEP]"])],
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=backend,
        pad_token="[PAD]",
        unk_token="[UNK]",
        cls_token="[CLS]",
        sep_token="[SEP]",
        mask_token="[MASK]",
    )


def tiny(kind: type[PreTrainedModel], seed: int = 0, **fields: Any) -> PreTrainedModel:
    """A BERT of one layer with the head of `kind`."""
    torch.manual_seed(seed)
    sizes = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2}
    sizes |= {"intermediate_size": 24, "vocab_size": len(PIECES)}
    model = kind(BertConfig(**sizes, max_position_embeddings=TOKENS, **fields)).eval()
    for name, parameter in model.named_parameters():
        if parameter.ndim == 2 and "embeddings" not in name:
            torch.nn.init.normal_(parameter, std=0.3)
    return model


def saved(model: PreTrainedModel, folder: Path) -> Path:
    """The model with its tokenizer beside it."""
    model.save_pretrained(folder)
    tokenizer().save_pretrained(folder)
    return folder


def sentence(row: int) -> tuple[list[str], list[str]]:
    """Words and their tags: three to six words."""
    words = ["the", LIKE[row % 6], WHO[row % 5], DOES[row % 6], "a", WHO[(row + 2) % 5]]
    tags = ["O", "B-WHO", "I-WHO", "B-ACT", "O", "B-WHO"]
    count = 3 + row % 4
    return words[:count], tags[:count]


def write(place: Path, rows: int, *, text: bool = False) -> Path:
    """A file of rows: lists of words and tags, or texts."""
    lines = []
    for row in range(rows):
        words, tags = sentence(row)
        said = {"text": " ".join(words)} if text else {"tokens": words, "ner_tags": tags}
        lines.append(json.dumps(said) + "\n")
    place.write_text("".join(lines))
    return place
