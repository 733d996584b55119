"""Rows as tokens that the model's own tokenizer makes of texts, or of pairs of them.

Each row has as many tokens as its text, special tokens included, up to a maximum. Rows of one
length make up a batch, so that nothing is padded. The target may be one thing a row, or one
a token: `IGNORED` stands at tokens of which nothing is asked, and behind the end of shorter rows.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from hubmerge.data.batches import ColumnReader, Inputs
from hubmerge.data.rows import RowSet
from hubmerge.data.texts import TokenLimit, beginning, refuse_long
from hubmerge.errors import DataError
from hubmerge.models.token_outputs import IGNORED

if TYPE_CHECKING:
    from datasets import Dataset
    from transformers import PreTrainedModel

TEXTS = ("text", "text_pair")
"""What a tokenizer calls the texts of a row."""

AT_ONCE = 1000
"""Texts that are tokenized together."""

Encoded = Mapping[str, np.ndarray]
"""What is known of the tokens of one row, by name, [tokens] each: arguments of a model's forward
among them."""

Encode = Callable[[list[list[Any]], Sequence[int]], Iterator[Encoded]]
"""Values of each column, and the numbers of their rows -> tokens of each row."""


@dataclass(frozen=True, eq=False)
class TokenRows:
    """The rows of a data set as tokens, each made once.

    ref: the data set, in errors. columns: the texts of a row. encode: makes tokens of some rows.
    vocabulary: tokens that the model knows. beside: columns that `encode` gets behind the texts.
    """

    ref: str
    columns: tuple[str, ...]
    encode: Encode
    vocabulary: int
    beside: tuple[str, ...] = ()
    known: dict[tuple[str, int], Encoded] = field(default_factory=dict)

    def of(self, dataset: Dataset, split: str, rows: Sequence[int]) -> list[Encoded]:
        """The tokens of each row. Raises: DataError, where there are none, or unknown ones."""
        missing = [row for row in rows if (split, row) not in self.known]
        for start in range(0, len(missing), AT_ONCE):
            part = missing[start : start + AT_ONCE]
            names = [*self.columns, *self.beside]
            held = dataset.select_columns(names).select(part)
            values = [held[name][:] for name in names]
            for name, column in zip(self.columns, values, strict=False):
                self._refuse_others(column, split, part, name)
            for row, encoded in zip(part, self.encode(values, part), strict=True):
                self._refuse_unknown(encoded, f'row {row} of split "{split}" of {self.ref}')
                self.known[split, row] = encoded
        return [self.known[split, row] for row in rows]

    def reader(self, model: PreTrainedModel) -> ColumnReader:
        """Reads the tokens as `model` takes them."""
        taken, alone = inspect.signature(model.forward).parameters, takes_one_row(model)

        def read(dataset: Dataset, split: str, rows: Sequence[int]) -> Inputs:
            encoded = self.of(dataset, split, rows)
            return {
                name: torch.from_numpy(np.stack([row[name] for row in encoded]).astype(np.int64))
                for name in encoded[0]
                if name in taken
            }

        def lengths(dataset: Dataset, rows: RowSet) -> Sequence[Hashable]:
            encoded = self.of(dataset, rows.split, rows.indices)
            counts = [len(row["input_ids"]) for row in encoded]
            return [(count, row) for row, count in enumerate(counts)] if alone else counts

        return ColumnReader((*self.columns, *self.beside), read, lengths=lengths)

    def _refuse_others(
        self, values: Sequence[Any], split: str, rows: Sequence[int], column: str
    ) -> None:
        """Raises: DataError, where a row holds neither a text nor a list of texts."""
        for row, value in zip(rows, values, strict=True):
            place = f'row {row} of split "{split}" of {self.ref}'
            parts = value if isinstance(value, list) else [value]
            if not all(isinstance(part, str) for part in parts):
                raise DataError(
                    f"{place} holds no text", found=repr(value), source=f'column "{column}"'
                )
            refuse_long("".join(parts), place, column)

    def _refuse_unknown(self, encoded: Encoded, place: str) -> None:
        """Raises: DataError, if a row has no token, or one that the model has no embedding for."""
        tokens = encoded["input_ids"]
        if not len(tokens):
            raise DataError(
                f"{place} has no token",
                hint="the tokenizer beside the model adds none, and finds none in the text",
            )
        if tokens.max() >= self.vocabulary:
            raise DataError(
                f"{place} holds a token the model does not know",
                found=f"token {tokens.max()}, the model's vocabulary has {self.vocabulary:,}",
                hint="the tokenizer beside the model is that of another model",
            )


def takes_one_row(model: PreTrainedModel) -> bool:
    """Whether the model answers one row at a time: decoders with a head for whole texts look for
    the end of each by its padding, and refuse several rows where their configuration names none.
    """
    text = model.config.get_text_config()
    return getattr(text, "pad_token_id", None) is None


def encode_texts(limit: TokenLimit, *, target: bool = False, **options: Any) -> Encode:
    """Texts, or pairs of them, as the tokenizer prepares them.

    target: whether they are what a decoder is to say. options: of the tokenizer.
    """

    def encode(columns: list[list[Any]], rows: Sequence[int]) -> Iterator[Encoded]:
        texts = [[beginning(text, limit) for text in column] for column in columns]
        given = {"text_target": texts[0]} if target else dict(zip(TEXTS, texts, strict=False))
        found = limit.tokenizer(
            **given, truncation=True, max_length=limit.tokens, verbose=False, **options
        )
        for row in range(len(rows)):
            yield {name: np.asarray(values[row], np.int32) for name, values in found.items()}

    return encode


def as_long_as_rows(target: Sequence[np.ndarray]) -> Tensor:
    """Targets of the tokens of each row, int64 [rows, tokens], `IGNORED` behind their end."""
    width = max(map(len, target), default=0)
    found = np.full((len(target), width), IGNORED, np.int64)
    for row, values in zip(found, target, strict=True):
        row[: len(values)] = values
    return torch.from_numpy(found)
