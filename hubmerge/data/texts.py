"""Texts as tokens: one row a text where something is measured, blocks of one length elsewhere.

What is measured is measured text by text: each with the tokens its tokenizer gives it and, where
there is one, the token that ends a text, and at most so many of them as a block has. A text is
independent of the others, and so are figures of rows; every token of a set weighs the same.

What is only looked at, as by matchers, has no such rows: there the texts are laid end to end and
cut into blocks, at most as many as texts, and what is left over at the end is dropped. No text is
in two sets, so no block is.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel

from hubmerge.data.batches import Batches, Inputs
from hubmerge.data.dataset import DataSet
from hubmerge.data.rows import RowSet
from hubmerge.errors import DataError
from hubmerge.errors.wording import option
from hubmerge.models.token_outputs import IGNORED, TokenStatistics
from hubmerge.utils.limits import TEXT_CHARACTERS, TOKEN_CHARACTERS

TOKENS = 128
"""Default number of tokens of a block, and the most of a text, where the model takes so many."""

BEHIND = 0
"""The token that stands behind a text in a row. A causal model does not see it before."""


@dataclass(frozen=True)
class TokenLimit:
    """What makes tokens of texts, and how many of a text, or of a block, are read."""

    tokenizer: Any
    tokens: int
    vocabulary: int


def token_limit(
    data: DataSet, model: PreTrainedModel, tokenizer: Any | None, tokens: int | None = None
) -> TokenLimit:
    """How the texts of `data` are cut for `model`; tokens: of a block; None: the default.

    Raises: DataError, if there is no tokenizer, or the model takes fewer tokens at once.
    """
    if tokenizer is None:
        raise DataError(
            f"the texts of {data.ref} cannot be cut into tokens: the model has no tokenizer",
            found="no tokenizer files beside the model",
            hint="add the tokenizer the model was trained with",
        )
    most = most_tokens(model)
    wanted = tokens or usual_tokens(model, tokenizer, TOKENS)
    if most is not None and wanted > most:
        raise DataError(
            f"blocks of {wanted:,} tokens were asked for",
            found=f"the model takes {most:,} at once",
            hint=f"{option('dataset.tokens', most)} or fewer",
            field="dataset.tokens",
        )
    return TokenLimit(tokenizer, wanted, model.config.get_text_config().vocab_size)


def usual_tokens(model: PreTrainedModel, tokenizer: Any, tokens: int) -> int:
    """How many of a text are read where nothing else was asked for: `tokens`, or fewer where the
    model takes fewer, or its tokenizer cuts texts to fewer.
    """
    most = (most_tokens(model), getattr(tokenizer, "model_max_length", None))
    return min([tokens, *(number for number in most if number is not None)])


def most_tokens(model: PreTrainedModel) -> int | None:
    """How many tokens a row may have; None, where nothing says so.

    Models that count positions from behind their padding token, as RoBERTa, take fewer than their
    configuration says.
    """
    for name, module in model.named_modules():
        if name.endswith("position_embeddings") and isinstance(module, nn.Embedding):
            skipped = 0 if module.padding_idx is None else module.padding_idx + 1
            return module.num_embeddings - skipped
    return getattr(model.config.get_text_config(), "max_position_embeddings", None)


def refuse_long(text: str, place: str, column: str) -> None:
    """Raises: DataError, for a text that is too long to be one."""
    if len(text) > TEXT_CHARACTERS:
        raise DataError(
            f"{place} holds a text of {len(text):,} characters",
            found=f"one text may have {TEXT_CHARACTERS:,}",
            hint="divide it into texts, a row each",
            source=f'column "{column}"',
        )


def beginning(text: str, limit: TokenLimit) -> str:
    """As much of a text as the tokens may take that are read of its beginning."""
    return text[: limit.tokens * TOKEN_CHARACTERS]


def text_rows(data: DataSet, rows: RowSet, limit: TokenLimit) -> Batches:
    """The beginnings of the texts of `rows`, a row each; labels are the tokens that follow.

    Texts in which nothing follows anything, of one token or none, are no rows.
    Raises: DataError, if a row holds no text, or a token the model does not know.
    """
    texts = _texts(data, rows, limit, beginnings=True)
    found = [tokens[: limit.tokens] for tokens in texts]
    held = [torch.tensor(tokens, dtype=torch.int64) for tokens in found if len(tokens) > 1]
    width = max(map(len, held), default=limit.tokens)
    inputs = torch.full((len(held), width), BEHIND)
    following = torch.full((len(held), width), IGNORED)
    for row, tokens in enumerate(held):
        inputs[row, : len(tokens)] = tokens
        following[row, : len(tokens) - 1] = tokens[1:]
    return _batches(inputs, following)


def text_blocks(data: DataSet, rows: RowSet, limit: TokenLimit) -> Batches:
    """The blocks of the texts of `rows`; labels are the tokens that follow.

    Raises: as `text_rows`.
    """
    wanted = len(rows) * limit.tokens
    line = (token for tokens in _texts(data, rows, limit) for token in tokens)
    found = list(islice(line, wanted))
    whole = len(found) // limit.tokens * limit.tokens
    blocks = torch.tensor(found[:whole], dtype=torch.int64).view(-1, limit.tokens)
    following = torch.full_like(blocks, IGNORED)
    following[:, :-1] = blocks[:, 1:]
    return _batches(blocks, following)


def _batches(inputs: Tensor, following: Tensor) -> Batches:
    def read(numbers: Any) -> Inputs:
        return {"input_ids": inputs[list(numbers)]}

    return Batches(read, tuple(range(len(inputs))), following, statistics=TokenStatistics())


def _texts(
    data: DataSet, rows: RowSet, limit: TokenLimit, *, beginnings: bool = False
) -> Iterator[list[int]]:
    """The tokens of each text, with the one that ends it.

    beginnings: of very long texts, only as much is read as `limit.tokens` tokens may take.
    """
    column, end = data.text_column or "", limit.tokenizer.eos_token_id
    texts = data.splits[rows.split].select_columns([column])
    for row in rows.indices:
        text = texts[row][column]
        place = f'row {row} of split "{rows.split}" of {data.ref}'
        if not isinstance(text, str):
            raise DataError(f"{place} holds no text", found=repr(text), source=f'column "{column}"')
        refuse_long(text, place, column)
        text = beginning(text, limit) if beginnings else text
        found = list(limit.tokenizer(text, verbose=False)["input_ids"])
        if found and max(found) >= limit.vocabulary:
            raise DataError(
                f"{place} holds a token the model does not know",
                found=f"token {max(found)}, the model's vocabulary has {limit.vocabulary:,}",
                hint="the tokenizer beside the model is that of another model",
            )
        if end is not None and found and found[-1] != end:
            found.append(end)
        yield found
