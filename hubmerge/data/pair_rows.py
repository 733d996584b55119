"""Texts that are compared, each by itself: pairs with a score that says how alike they are, pairs
that belong together, and triplets.

What is measured are rows; a batch holds rows whose texts have the same lengths. What is only looked
at, as by matchers, are the texts of these rows one by one.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from hubmerge.data.batches import Batches, ColumnReader, Inputs, make_batches
from hubmerge.data.dataset import DataSet
from hubmerge.data.reading import ReadFor, Reading
from hubmerge.data.rows import RowSet
from hubmerge.data.sentence_modules import SentenceModules, read_modules
from hubmerge.data.targets import Naming, find_targets
from hubmerge.data.text_tuples import BELONGING
from hubmerge.data.texts import TokenLimit, token_limit
from hubmerge.data.token_rows import Encode, TokenRows, encode_texts
from hubmerge.errors import DataError
from hubmerge.models.nearest_outputs import THIRD, RetrievalStatistics, TripletStatistics
from hubmerge.models.outputs import RowStatistics
from hubmerge.models.similarity_outputs import SECOND, SimilarityStatistics

if TYPE_CHECKING:
    from datasets import Dataset

ONE_NUMBER = {0: "score"}
TRIPLETS, RETRIEVAL = "triplets", "retrieval"
"""Measures of texts without a score."""
PREFIXES = ("", SECOND, THIRD)


def read_pairs(data: DataSet, wanted: ReadFor) -> Reading:
    """Texts of a row that are compared, and how alike they are, where a score says so.

    Raises: DataError; WeightsError, for modules that embed in an unknown way.
    """
    if data.pair_column is None:
        raise DataError(
            f"{data.ref} has no pairs of texts",
            found=f'a single text, in column "{data.text_column}"',
            hint="name the columns of both texts, and of the score that says how alike they are; "
            "texts that belong together are known by the names anchor and positive",
            field="dataset.pair_column",
        )
    modules = read_modules(wanted.folder, data.ref) if wanted.folder else SentenceModules()
    limit = _limit(data, wanted, modules)
    sides = [
        TokenRows(data.ref, (str(name),), _prompted(limit, modules), limit.vocabulary)
        for name in (data.text_column, data.pair_column, data.negative_column)
        if name is not None
    ]
    readers = [side.reader(wanted.model) for side in sides]
    statistics: RowStatistics = SimilarityStatistics(modules.pooling)
    target, measure, unit = None, None, "text pairs"
    if data.label_column is not None and wanted.answers is not None:
        target = find_targets(data, wanted.answers, Naming(ONE_NUMBER)).read
    elif data.negative_column is not None:
        statistics, target, measure = TripletStatistics(modules.pooling), _none_right, TRIPLETS
        unit = "triplets"
    elif (data.text_column, data.pair_column) in BELONGING:
        statistics, target, measure = RetrievalStatistics(modules.pooling), _none_right, RETRIEVAL

    def measured(rows: RowSet) -> Batches:
        return make_batches(data, rows, _beside(readers), target, statistics=statistics)

    said = f"of each text the first {limit.tokens:,} tokens are read; embeddings are " + (
        f"{' and '.join(modules.pooling)} of the states of tokens"
    )
    columns = {"text": str(data.text_column), "pair": data.pair_column}
    if data.negative_column is not None:
        columns["negative"] = data.negative_column
    return Reading(
        lambda rows, labelled: measured(rows) if labelled else _one_by_one(data, rows, readers),
        (said,),
        unit,
        columns | ({"score": data.label_column} if data.label_column else {}),
        measured,
        measure,
    )


def _none_right(dataset: Dataset, rows: RowSet) -> Tensor:
    """Texts say themselves which belong together: a row has no other target."""
    return torch.zeros(len(rows), 1, dtype=torch.float64)


def _limit(data: DataSet, wanted: ReadFor, modules: SentenceModules) -> TokenLimit:
    limit = token_limit(data, wanted.model, wanted.tokenizer, wanted.tokens)
    most = modules.most
    if most is None and modules.given:
        most = getattr(wanted.tokenizer, "model_max_length", None)
    if most is not None and most < limit.tokens:
        return replace(limit, tokens=most)
    return limit


def _prompted(limit: TokenLimit, modules: SentenceModules) -> Encode:
    plain = encode_texts(limit)
    if not modules.prompt and not modules.lower:
        return plain

    def prepared(text: str) -> str:
        said = modules.prompt + text
        return said.lower() if modules.lower else said

    return lambda columns, rows: plain(
        [[prepared(text) for text in column] for column in columns], rows
    )


def _beside(readers: Sequence[ColumnReader]) -> ColumnReader:
    """Inputs of all texts of a row, those of the second and third under names of their own."""

    def read(dataset: Dataset, split: str, rows: Sequence[int]) -> Inputs:
        return {
            f"{prefix}{name}": value
            for prefix, reader in zip(PREFIXES, readers, strict=False)
            for name, value in reader.read(dataset, split, rows).items()
        }

    def lengths(dataset: Dataset, rows: RowSet) -> Sequence[Hashable]:
        found = [reader.lengths(dataset, rows) for reader in readers if reader.lengths is not None]
        assert len(found) == len(readers)
        return list(zip(*found, strict=True))

    columns = [name for reader in readers for name in reader.columns]
    return ColumnReader(tuple(columns), read, lengths=lengths)


def _one_by_one(data: DataSet, rows: RowSet, readers: Sequence[ColumnReader]) -> Batches:
    """One text of every row: the first, the second, and so on in turn."""
    dataset = data.splits[rows.split]
    columns = dataset.select_columns([name for reader in readers for name in reader.columns])
    side = {row: place % len(readers) for place, row in enumerate(rows.indices)}

    def read(wanted: Sequence[int]) -> Inputs:
        return readers[side[wanted[0]]].read(columns, rows.split, wanted)

    lengths: list[Hashable] = []
    for place, row in enumerate(rows.indices):
        reader = readers[place % len(readers)]
        assert reader.lengths is not None
        one = RowSet(rows.split, (row,), rows.available)
        lengths.append((place % len(readers), reader.lengths(columns, one)[0]))
    return Batches(read, rows.indices, None, lengths=tuple(lengths))
