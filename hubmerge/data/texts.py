"""Rows of text as blocks of tokens, all of one length.

The texts of a set are taken in the order of its rows, each with the tokens its tokenizer gives it
and, where there is one, the token that ends a text; laid end to end, and cut. There are at most as
many blocks as texts, and what is left over at the end is dropped. No text is in two sets, so no
block is.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any

import torch
from torch import Tensor
from transformers import PreTrainedModel

from hubmerge.data.batches import Batches, Inputs
from hubmerge.data.dataset import DataSet
from hubmerge.data.rows import RowSet
from hubmerge.errors import DataError
from hubmerge.errors.wording import option
from hubmerge.models.token_outputs import IGNORED, TokenStatistics

TOKENS = 128
"""Default number of tokens of a block, where the model takes so many."""


@dataclass(frozen=True)
class Cut:
    """How texts become tokens."""

    tokenizer: Any
    tokens: int
    vocabulary: int


def cut_for(
    data: DataSet, model: PreTrainedModel, tokenizer: Any | None, tokens: int | None = None
) -> Cut:
    """How the texts of `data` are cut for `model`; tokens: of a block; None: the default.

    Raises: DataError, if there is no tokenizer, or the model takes fewer tokens at once.
    """
    if tokenizer is None:
        raise DataError(
            f"the texts of {data.ref} cannot be cut into tokens: the model has no tokenizer",
            found="no tokenizer files beside the model",
            hint="add the tokenizer the model was trained with",
        )
    most = getattr(model.config, "max_position_embeddings", None)
    wanted = tokens or min(TOKENS, most or TOKENS)
    if most is not None and wanted > most:
        raise DataError(
            f"blocks of {wanted:,} tokens were asked for",
            found=f"the model takes {most:,} at once",
            hint=f"{option('dataset.tokens', most)} or fewer",
            field="dataset.tokens",
        )
    return Cut(tokenizer, wanted, model.config.vocab_size)


def text_batches(data: DataSet, rows: RowSet, cut: Cut) -> Batches:
    """The blocks of the texts of `rows`; labels are the tokens that follow.

    Raises: DataError, if a row holds no text, or a token the model does not know.
    """
    blocks = _blocks(data, rows, cut)

    def read(numbers: Any) -> Inputs:
        return {"input_ids": blocks[list(numbers)]}

    following = torch.full_like(blocks, IGNORED)
    following[:, :-1] = blocks[:, 1:]
    return Batches(read, tuple(range(len(blocks))), following, statistics=TokenStatistics())


def _blocks(data: DataSet, rows: RowSet, cut: Cut) -> Tensor:
    """int64 [blocks, tokens]."""
    wanted = len(rows) * cut.tokens
    found = list(islice(_tokens(data, rows, cut), wanted))
    whole = len(found) // cut.tokens * cut.tokens
    return torch.tensor(found[:whole], dtype=torch.int64).view(-1, cut.tokens)


def _tokens(data: DataSet, rows: RowSet, cut: Cut) -> Iterator[int]:
    column, end = data.text_column or "", cut.tokenizer.eos_token_id
    texts = data.splits[rows.split].select_columns([column])
    for row in rows.indices:
        text = texts[row][column]
        place = f'row {row} of split "{rows.split}" of {data.ref}'
        if not isinstance(text, str):
            raise DataError(f"{place} holds no text", found=repr(text), source=f'column "{column}"')
        found = cut.tokenizer(text, verbose=False)["input_ids"]
        if found and max(found) >= cut.vocabulary:
            raise DataError(
                f"{place} holds a token the model does not know",
                found=f"token {max(found)}, the model's vocabulary has {cut.vocabulary:,}",
                hint="the tokenizer beside the model is that of another model",
            )
        yield from found
        if end is not None and found and found[-1] != end:
            yield end
