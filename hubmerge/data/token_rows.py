"""Texts, or pairs of them, as rows of tokens that the model's own tokenizer makes.

Each row has as many tokens as its text, special tokens included, up to a maximum. Rows of one
length make up a batch, so that nothing is padded.
"""

from __future__ import annotations

import inspect
from collections.abc import Hashable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
import torch

from hubmerge.data.batches import ColumnReader, Inputs
from hubmerge.data.dataset import DataSet
from hubmerge.data.rows import RowSet
from hubmerge.data.texts import TokenLimit, beginning, refuse_long
from hubmerge.errors import DataError

if TYPE_CHECKING:
    from datasets import Dataset
    from transformers import PreTrainedModel

AT_ONCE = 1000
"""Texts that are tokenized together."""

Encoded = Mapping[str, np.ndarray]
"""Argument of the model's forward -> int32 [tokens] of one row."""


def token_reader(data: DataSet, model: PreTrainedModel, limit: TokenLimit) -> ColumnReader:
    """Reads the texts of `data`, and the second ones where it has pairs.

    limit: the tokenizer, and how many tokens of a row are read.
    Raises, when rows are read: DataError, if one holds no text, or a token that the model does not
    know.
    """
    columns = tuple(name for name in (data.text_column, data.pair_column) if name is not None)
    taken = inspect.signature(model.forward).parameters
    alone = takes_one_row(model)
    known: dict[tuple[str, int], Encoded] = {}

    def encode(dataset: Dataset, split: str, rows: Sequence[int]) -> list[Encoded]:
        missing = [row for row in rows if (split, row) not in known]
        for start in range(0, len(missing), AT_ONCE):
            part = missing[start : start + AT_ONCE]
            texts = [_texts(dataset, name, split, part, data.ref) for name in columns]
            for row, encoded in zip(part, _tokenized(limit, texts), strict=True):
                _refuse_unknown(encoded, limit, f'row {row} of split "{split}" of {data.ref}')
                known[split, row] = {n: v for n, v in encoded.items() if n in taken}
        return [known[split, row] for row in rows]

    def read(dataset: Dataset, split: str, rows: Sequence[int]) -> Inputs:
        encoded = encode(dataset, split, rows)
        return {
            name: torch.from_numpy(np.stack([row[name] for row in encoded]).astype(np.int64))
            for name in encoded[0]
        }

    def lengths(dataset: Dataset, rows: RowSet) -> Sequence[Hashable]:
        counts = [len(row["input_ids"]) for row in encode(dataset, rows.split, rows.indices)]
        return [(count, row) for row, count in enumerate(counts)] if alone else counts

    return ColumnReader(columns, read, lengths=lengths)


def takes_one_row(model: PreTrainedModel) -> bool:
    """Whether the model answers one row at a time: decoders with a head for whole texts look for
    the end of each by its padding, and refuse several rows where their configuration names none.
    """
    text = model.config.get_text_config()
    return getattr(text, "pad_token_id", None) is None


def _tokenized(limit: TokenLimit, texts: Sequence[list[str]]) -> Iterator[Encoded]:
    """What the tokenizer makes of each text, or of each pair of texts."""
    if limit.tokenizer.truncation_side == "right":
        texts = [[beginning(text, limit) for text in column] for column in texts]
    found = limit.tokenizer(
        *texts, truncation=True, max_length=limit.tokens, padding=False, verbose=False
    )
    for row in range(len(texts[0])):
        yield {name: np.asarray(values[row], np.int32) for name, values in found.items()}


def _texts(dataset: Dataset, column: str, split: str, rows: Sequence[int], ref: str) -> list[str]:
    values = dataset.select(rows)[column][:]
    for row, value in zip(rows, values, strict=True):
        if not isinstance(value, str):
            raise DataError(
                f'row {row} of split "{split}" of {ref} holds no text',
                found=repr(value),
                source=f'column "{column}"',
            )
        refuse_long(value, f'row {row} of split "{split}" of {ref}', column)
    return values


def _refuse_unknown(encoded: Encoded, limit: TokenLimit, place: str) -> None:
    """Raises: DataError, if a row has no token, or one that the model has no embedding for."""
    tokens = encoded["input_ids"]
    if not len(tokens):
        raise DataError(
            f"{place} has no token",
            hint="the tokenizer beside the model adds none, and finds none in the text",
        )
    if tokens.max() >= limit.vocabulary:
        raise DataError(
            f"{place} holds a token the model does not know",
            found=f"token {tokens.max()}, the model's vocabulary has {limit.vocabulary:,}",
            hint="the tokenizer beside the model is that of another model",
        )
