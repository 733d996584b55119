"""Pairs of texts, each text by itself, and a score that says how alike they are.

What is measured are pairs; a batch holds pairs of two lengths. What is only looked at, as by
matchers, are the texts of these pairs one by one.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from hubmerge.data.batches import Batches, ColumnReader, Inputs, make_batches
from hubmerge.data.dataset import DataSet
from hubmerge.data.reading import ReadFor, Reading
from hubmerge.data.rows import RowSet
from hubmerge.data.sentence_modules import SentenceModules, read_modules
from hubmerge.data.targets import Naming, find_targets
from hubmerge.data.texts import TokenLimit, token_limit
from hubmerge.data.token_rows import Encode, TokenRows, encode_texts
from hubmerge.errors import DataError
from hubmerge.models.similarity_outputs import SECOND, SimilarityStatistics

if TYPE_CHECKING:
    from datasets import Dataset

ONE_NUMBER = {0: "score"}


def read_pairs(data: DataSet, wanted: ReadFor) -> Reading:
    """Pairs of texts, and how alike they are. Raises: DataError; WeightsError, for modules that
    embed in an unknown way.
    """
    if data.pair_column is None:
        raise DataError(
            f"{data.ref} has no pairs of texts",
            found=f'a single text, in column "{data.text_column}"',
            hint="name the columns of both texts, and of the score that says how alike they are",
            field="dataset.pair_column",
        )
    modules = read_modules(wanted.folder, data.ref) if wanted.folder else SentenceModules()
    limit = _limit(data, wanted, modules)
    sides = [
        TokenRows(data.ref, (str(name),), _prompted(limit, modules.prompt), limit.vocabulary)
        for name in (data.text_column, data.pair_column)
    ]
    readers = [side.reader(wanted.model) for side in sides]
    statistics = SimilarityStatistics(modules.pooling)
    target = None
    if data.label_column is not None and wanted.answers is not None:
        target = find_targets(data, wanted.answers, Naming(ONE_NUMBER)).read

    def measured(rows: RowSet) -> Batches:
        return make_batches(data, rows, _both(*readers), target, statistics=statistics)

    said = f"of each text the first {limit.tokens:,} tokens are read; embeddings are " + (
        f"{' and '.join(modules.pooling)} of the states of tokens"
    )
    columns = {"text": str(data.text_column), "pair": data.pair_column}
    return Reading(
        lambda rows, labelled: measured(rows) if labelled else _one_by_one(data, rows, readers),
        (said,),
        "text pairs",
        columns | ({"score": data.label_column} if data.label_column else {}),
        measured,
    )


def _limit(data: DataSet, wanted: ReadFor, modules: SentenceModules) -> TokenLimit:
    limit = token_limit(data, wanted.model, wanted.tokenizer, wanted.tokens)
    if modules.most is not None and modules.most < limit.tokens:
        return replace(limit, tokens=modules.most)
    return limit


def _prompted(limit: TokenLimit, prompt: str) -> Encode:
    plain = encode_texts(limit)
    if not prompt:
        return plain
    return lambda columns, rows: plain(
        [[prompt + text for text in column] for column in columns], rows
    )


def _both(first: ColumnReader, second: ColumnReader) -> ColumnReader:
    """Inputs of both texts of a row, those of the second under names of their own."""

    def read(dataset: Dataset, split: str, rows: Sequence[int]) -> Inputs:
        others = second.read(dataset, split, rows).items()
        return first.read(dataset, split, rows) | {f"{SECOND}{n}": v for n, v in others}

    def lengths(dataset: Dataset, rows: RowSet) -> Sequence[Hashable]:
        assert first.lengths is not None
        assert second.lengths is not None
        return list(zip(first.lengths(dataset, rows), second.lengths(dataset, rows), strict=True))

    return ColumnReader((*first.columns, *second.columns), read, lengths=lengths)


def _one_by_one(data: DataSet, rows: RowSet, readers: Sequence[ColumnReader]) -> Batches:
    """The first text of every other row, and the second of those between."""
    dataset = data.splits[rows.split]
    columns = dataset.select_columns([name for reader in readers for name in reader.columns])
    side = {row: place % 2 for place, row in enumerate(rows.indices)}

    def read(wanted: Sequence[int]) -> Inputs:
        return readers[side[wanted[0]]].read(columns, rows.split, wanted)

    lengths: list[Hashable] = []
    for place, row in enumerate(rows.indices):
        reader = readers[place % 2]
        assert reader.lengths is not None
        one = RowSet(rows.split, (row,), rows.available)
        lengths.append((place % 2, reader.lengths(columns, one)[0]))
    return Batches(read, rows.indices, None, lengths=tuple(lengths))
