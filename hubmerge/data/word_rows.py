"""Words with a tag each: the first token of a word is asked for its tag, all others for nothing.

That is how models of tags are trained and scored: tags of the data stand for words, and a word
that the tokenizer divides is not counted several times. A word without a tag, or of the tag -100,
which transformers leaves out of its losses, is asked for nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
from torch import Tensor

from hubmerge.data.batches import make_batches
from hubmerge.data.column_types import inner, is_whole
from hubmerge.data.dataset import DataSet
from hubmerge.data.labels import LabelMap, match_labels
from hubmerge.data.reading import ReadFor, Reading
from hubmerge.data.rows import RowSet
from hubmerge.data.targets import values_of
from hubmerge.data.texts import TokenLimit, token_limit
from hubmerge.data.token_rows import Encode, Encoded, TokenRows, as_long_as_rows
from hubmerge.errors import DataError, LabelError
from hubmerge.models.token_outputs import IGNORED

if TYPE_CHECKING:
    from datasets import Dataset

WORD = "word"
"""Which word each token is of, -1 of special ones."""
UNTAGGED = (None, IGNORED)
"""What stands where a word has no tag."""


def read_tagged(data: DataSet, wanted: ReadFor) -> Reading:
    """Rows of words, and the tag of each. Raises: DataError, LabelError."""
    limit = token_limit(data, wanted.model, wanted.tokenizer, wanted.tokens)
    column = str(data.text_column)
    if not getattr(limit.tokenizer, "is_fast", False):
        raise DataError(
            f"the words of {data.ref} cannot be told apart in tokens",
            found=f"{type(limit.tokenizer).__name__}, which does not say which word a token is of",
            hint="add the model's tokenizer.json",
        )
    if inner(data.splits[data.split].features[column]) is None:
        raise DataError(
            f'column "{column}" of {data.ref} does not hold lists of words',
            hint="tags are those of words, which are given one by one",
        )
    tokens = TokenRows(data.ref, (column,), _encode_words(limit), limit.vocabulary)
    reader = replace(tokens.reader(wanted.model), ragged="input_ids")
    found = None
    columns = {"words": column}
    if data.label_column is not None:
        found = match_labels(data, wanted.labels, by_index=wanted.by_index, no_labels=(IGNORED,))
        columns["tags"] = data.label_column

    def target(dataset: Dataset, rows: RowSet) -> Tensor:
        assert found is not None
        return as_long_as_rows(_tags(data, dataset, rows, tokens, found))

    said = (
        f"of each row the first {limit.tokens:,} tokens are read, special ones included; the first "
        "token of a word is asked for its tag"
    )
    if found and (share := _untagged(data)):
        said += f"; {share:.1%} of the words have none, and are asked for nothing"
    return Reading(
        lambda rows, labelled: make_batches(
            data,
            rows,
            reader,
            target if found and labelled else None,
            statistics=wanted.statistics,
        ),
        (*([found.note] if found and found.note else []), said),
        "sentences",
        columns,
    )


def _untagged(data: DataSet) -> float:
    """The share of the words of the evaluated split that have no tag."""
    import pyarrow.compute as pc

    column = str(data.label_column)
    rows = data.splits[data.split].select_columns([column]).with_format("arrow")[:][column]
    tags = pc.list_flatten(rows)
    count = tags.null_count
    if is_whole(data.label_feature):
        count += pc.sum(pc.equal(tags, IGNORED)).as_py() or 0
    return count / max(1, len(tags))


def _encode_words(limit: TokenLimit) -> Encode:
    def encode(columns: list[list[Any]], rows: Sequence[int]) -> Iterator[Encoded]:
        found = limit.tokenizer(
            columns[0],
            is_split_into_words=True,
            truncation=True,
            max_length=limit.tokens,
            verbose=False,
        )
        for row in range(len(rows)):
            words = [-1 if word is None else word for word in found.word_ids(row)]
            encoded = {name: np.asarray(values[row], np.int32) for name, values in found.items()}
            yield encoded | {WORD: np.asarray(words, np.int32)}

    return encode


def _tags(
    data: DataSet, dataset: Dataset, rows: RowSet, tokens: TokenRows, found: LabelMap
) -> list[np.ndarray]:
    """The tag of each token that begins a word, as the model numbers it; `IGNORED` elsewhere."""
    words = dataset.select_columns([tokens.columns[0]]).select(rows.indices)[tokens.columns[0]][:]
    encoded = tokens.of(dataset, rows.split, rows.indices)
    target = []
    for place, (row, tags) in enumerate(
        zip(rows.indices, values_of(data, dataset, rows), strict=True)
    ):
        if tags is None or len(tags) != len(words[place]):
            raise LabelError(
                f'row {row} of split "{rows.split}" of {data.ref} has no tag for each word',
                found=f"{len(words[place])} words, {len(tags or [])} tags",
                source=f'column "{data.label_column}"',
            )
        word = encoded[place][WORD]
        begins = (word >= 0) & (word != np.append(-1, word[:-1]))
        asked = [tags[number] for number in word[begins]]
        if unknown := [tag for tag in asked if tag not in (*found.index, *UNTAGGED)]:
            raise LabelError(
                f'row {row} of split "{rows.split}" of {data.ref} has the tag "{unknown[0]}", '
                "unknown to the model",
                source=f'column "{data.label_column}"',
            )
        numbers = np.full(len(word), IGNORED, np.int64)
        numbers[begins] = [IGNORED if tag in UNTAGGED else found.index[tag] for tag in asked]
        target.append(numbers)
    return target
