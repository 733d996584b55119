"""Sounds as the model's own feature extractor prepares them.

Some extractors bring every sound to one length, as their models were trained; of others a batch
holds sounds of one length, so that nothing is padded.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Hashable, Sequence
from dataclasses import replace
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np

from hubmerge.data.batches import Batches, ColumnReader, Inputs, make_batches
from hubmerge.data.dataset import DataSet
from hubmerge.data.reading import ReadFor, Reading, read_labelled
from hubmerge.data.rows import RowSet
from hubmerge.data.sounds import SECONDS, open_sound
from hubmerge.data.target_rows import encode_targets, target_tokens, with_targets
from hubmerge.data.texts import token_limit
from hubmerge.data.token_rows import TokenRows
from hubmerge.errors import DataError
from hubmerge.utils.foreign import refusing

if TYPE_CHECKING:
    from datasets import Dataset

UNIT = "recordings"
MOST_SPOKEN = 1024
"""Tokens that are said in a recording, at most: 30 seconds have some 500 letters."""


def read_sounds(data: DataSet, wanted: ReadFor) -> Reading:
    """Recordings with labels. Raises: DataError, LabelError."""
    found = read_labelled(data, wanted, sound_reader(data, wanted), UNIT)
    return replace(found, notes=(*found.notes, _said()))


def read_speech(data: DataSet, wanted: ReadFor) -> Reading:
    """Recordings and what is said in them. Raises: DataError."""
    limit = token_limit(data, wanted.model, wanted.tokenizer, wanted.tokens)
    reader = sound_reader(data, wanted)
    columns, targets = {"audio": reader.columns[0]}, None
    if data.label_column is not None:
        columns["text"] = data.label_column
        targets = TokenRows(data.ref, (data.label_column,), encode_targets(limit), limit.vocabulary)

    def batches(rows: RowSet, *, labelled: bool) -> Batches:
        if targets is None:
            return make_batches(data, rows, reader, None, statistics=wanted.statistics)
        both = with_targets(reader, targets, wanted.model, apart=not labelled)
        read = target_tokens(targets) if labelled else None
        return make_batches(data, rows, both, read, statistics=wanted.statistics)

    said = f"of what is said the first {limit.tokens:,} tokens are asked for"
    return Reading(
        lambda rows, labelled: batches(rows, labelled=labelled), (_said(), said), UNIT, columns
    )


def read_pieces(data: DataSet, wanted: ReadFor) -> Reading:
    """Recordings and the tokens that are said in them, of which a model is told nothing.

    Raises: DataError.
    """
    limit = token_limit(data, wanted.model, wanted.tokenizer, MOST_SPOKEN)
    reader = sound_reader(data, wanted)
    columns, target = {"audio": reader.columns[0]}, None
    if data.label_column is not None:
        columns["text"] = data.label_column
        targets = TokenRows(data.ref, (data.label_column,), encode_targets(limit), limit.vocabulary)
        target = target_tokens(targets)
    return Reading(
        lambda rows, labelled: make_batches(
            data, rows, reader, target if labelled else None, statistics=wanted.statistics
        ),
        (_said(),),
        UNIT,
        columns,
    )


def _said() -> str:
    return f"of each recording the first {SECONDS} seconds are read"


def sound_reader(data: DataSet, wanted: ReadFor) -> ColumnReader:
    """Reads the sounds of `data` through the model's feature extractor. Raises: DataError."""
    extractor, column = wanted.processor, str(data.audio_column)
    rate = getattr(extractor, "sampling_rate", None)
    if extractor is None or rate is None:
        raise DataError(
            f"the sounds of {data.ref} cannot be prepared: the model has no feature extractor",
            found="no preprocessor_config.json beside the model",
            hint="add the one the model was trained with",
        )
    taken = inspect.signature(wanted.model.forward).parameters

    def prepared(sounds: list[np.ndarray]) -> Inputs:
        found = extractor(sounds, sampling_rate=rate, return_tensors="pt")
        return {name: value for name, value in found.items() if name in taken}

    def sound(dataset: Dataset, split: str, row: int) -> np.ndarray:
        with refusing(_unreadable(data, split, row, column)):
            return open_sound(dataset[row][column], data.place, rate)

    def read(dataset: Dataset, split: str, rows: Sequence[int]) -> Inputs:
        return prepared([sound(dataset, split, row) for row in rows])

    @lru_cache(maxsize=4096)
    def shape(samples: int) -> Hashable:
        found = prepared([np.zeros(samples, np.float32)])
        return tuple(tuple(value.shape) for value in found.values())

    def lengths(dataset: Dataset, rows: RowSet) -> Sequence[Hashable]:
        return [shape(len(sound(dataset, rows.split, row))) for row in rows.indices]

    return ColumnReader((column,), read, lengths=lengths)


def _unreadable(data: DataSet, split: str, row: int, column: str) -> Callable[[str], Any]:
    return lambda said: DataError(
        f'row {row} of split "{split}" of {data.ref} holds no sound that can be read',
        found=said,
        source=f'column "{column}"',
    )
