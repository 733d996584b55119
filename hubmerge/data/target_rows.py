"""Texts and what is to be made of them: a source for the encoder, a target for the decoder.

The decoder is given the target up to each token and asked for the next one (teacher forcing).
What is measured are rows with sources of one length a batch; targets of several lengths stand in
one, because what follows the end of a target is seen by none of its tokens and asked of none. For
what looks at activations, rows of a batch have targets of one length as well.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from hubmerge.data.batches import Batches, ColumnReader, Inputs, TargetReader, make_batches
from hubmerge.data.dataset import DataSet
from hubmerge.data.reading import ReadFor, Reading
from hubmerge.data.rows import RowSet
from hubmerge.data.texts import TokenLimit, token_limit
from hubmerge.data.token_rows import Encode, TokenRows, as_long_as_rows, encode_texts
from hubmerge.models.token_outputs import IGNORED

if TYPE_CHECKING:
    from datasets import Dataset
    from transformers import PreTrainedModel

DECODER = "decoder_input_ids"


def read_targets(data: DataSet, wanted: ReadFor) -> Reading:
    """Rows of a source and a target. Raises: DataError."""
    limit = token_limit(data, wanted.model, wanted.tokenizer, wanted.tokens)
    source = str(data.text_column)
    sources = TokenRows(data.ref, (source,), encode_texts(limit), limit.vocabulary)
    columns = {"source": source}
    targets = None
    if data.label_column is not None:
        columns["target"] = data.label_column
        targets = TokenRows(data.ref, (data.label_column,), encode_targets(limit), limit.vocabulary)
    reader = sources.reader(wanted.model)
    said = (
        f"of each source and of each target the first {limit.tokens:,} tokens are read, and every "
        "token of a target weighs the same"
    )

    def batches(rows: RowSet, *, labelled: bool) -> Batches:
        if targets is None:
            return make_batches(data, rows, reader, None, statistics=wanted.statistics)
        both = with_targets(reader, targets, wanted.model, apart=not labelled)
        read = target_tokens(targets) if labelled else None
        return make_batches(data, rows, both, read, statistics=wanted.statistics)

    return Reading(
        lambda rows, labelled: batches(rows, labelled=labelled),
        (said,),
        "texts",
        columns,
    )


def encode_targets(limit: TokenLimit) -> Encode:
    """Texts as the tokenizer prepares them for a decoder to say."""
    return encode_texts(limit, target=True)


def target_tokens(targets: TokenRows) -> TargetReader:
    """Reads the tokens of each target, `IGNORED` behind its end."""

    def target(dataset: Dataset, rows: RowSet) -> Tensor:
        return as_long_as_rows(
            [row["input_ids"] for row in targets.of(dataset, rows.split, rows.indices)]
        )

    return target


def with_targets(
    reader: ColumnReader, targets: TokenRows, model: PreTrainedModel, *, apart: bool
) -> ColumnReader:
    """Reads what the encoder takes, and what of the targets the decoder does.

    apart: whether targets of several lengths are never in one batch.
    """

    def read(dataset: Dataset, split: str, rows: Sequence[int]) -> Inputs:
        wanted = as_long_as_rows([row["input_ids"] for row in targets.of(dataset, split, rows)])
        return reader.read(dataset, split, rows) | {DECODER: _shifted(model, wanted)}

    def lengths(dataset: Dataset, rows: RowSet) -> Sequence[Hashable]:
        given = [0] * len(rows) if reader.lengths is None else reader.lengths(dataset, rows)
        if not apart:
            return given
        found = targets.of(dataset, rows.split, rows.indices)
        return [(n, len(row["input_ids"])) for n, row in zip(given, found, strict=True)]

    columns = (*reader.columns, *targets.columns)
    return ColumnReader(columns, read, lengths=lengths, ragged=DECODER)


def _shifted(model: PreTrainedModel, wanted: Tensor) -> Tensor:
    """What the decoder is given, int64 [rows, tokens]: the targets behind what begins them all."""
    shift = getattr(model, "prepare_decoder_input_ids_from_labels", None)
    if shift is not None:
        found: Tensor = shift(labels=wanted)
        return found.to(torch.int64)
    begin = torch.full((len(wanted), 1), model.config.decoder_start_token_id)
    given = torch.cat([begin, wanted[:, :-1]], 1)
    return given.masked_fill(given == IGNORED, model.config.pad_token_id or 0)
