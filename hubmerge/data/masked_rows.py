"""Texts of which some tokens are hidden, to be found again by a masked language model.

Which tokens, a hash of the row's number says, so that all models are asked the same and no seed
of a merge changes what is measured. Each hidden token is replaced by the mask token.
Source: arXiv:1810.04805, section 3.1 (of which the random and unchanged tokens are training's).
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
from torch import Tensor

from hubmerge.data.batches import make_batches
from hubmerge.data.dataset import DataSet
from hubmerge.data.reading import ReadFor, Reading
from hubmerge.data.rows import RowSet
from hubmerge.data.texts import TokenLimit, token_limit
from hubmerge.data.token_rows import Encode, Encoded, TokenRows, as_long_as_rows, encode_texts
from hubmerge.errors import DataError
from hubmerge.models.token_outputs import IGNORED

if TYPE_CHECKING:
    from datasets import Dataset

RULE = "hubmerge masks v1"
"""Part of the hash: another rule is another name."""
SHARE = 0.15
"""Of a row's tokens, special ones apart, that are hidden; at least one, where there is any."""
HIDDEN = "hidden"
"""The token that stands at each place, where it is hidden; `IGNORED` elsewhere."""
SPECIAL = "special_tokens_mask"


def read_masked(data: DataSet, wanted: ReadFor) -> Reading:
    """Rows of tokens of which some are hidden. Raises: DataError."""
    limit = token_limit(data, wanted.model, wanted.tokenizer, wanted.tokens)
    if limit.tokenizer.mask_token_id is None:
        raise DataError(
            f"no token of {data.ref} can be hidden: the model's tokenizer has no mask token",
            found=f"special tokens {limit.tokenizer.special_tokens_map}",
            hint="add the tokenizer the model was trained with",
        )
    column = str(data.text_column)
    tokens = TokenRows(data.ref, (column,), _encode_masked(limit), limit.vocabulary)
    reader = replace(tokens.reader(wanted.model), ragged="input_ids")

    def target(dataset: Dataset, rows: RowSet) -> Tensor:
        encoded = tokens.of(dataset, rows.split, rows.indices)
        return as_long_as_rows([row[HIDDEN] for row in encoded])

    said = (
        f"of each text the first {limit.tokens:,} tokens are read, special ones included; "
        f"{SHARE:.0%} of the others, the same for all models, are masked at once"
    )
    return Reading(
        lambda rows, labelled: make_batches(
            data, rows, reader, target if labelled else None, statistics=wanted.statistics
        ),
        (said,),
        "texts",
        {"text": column},
    )


def _encode_masked(limit: TokenLimit) -> Encode:
    plain = encode_texts(limit, return_special_tokens_mask=True)

    def encode(columns: list[list[Any]], rows: Sequence[int]) -> Iterator[Encoded]:
        for row, encoded in zip(rows, plain(columns, rows), strict=True):
            tokens, places = encoded["input_ids"], hidden_places(encoded[SPECIAL] == 0, row)
            masked, hidden = tokens.copy(), np.full(len(tokens), IGNORED, np.int64)
            masked[places], hidden[places] = limit.tokenizer.mask_token_id, tokens[places]
            yield {**encoded, "input_ids": masked, HIDDEN: hidden}

    return encode


def hidden_places(plain: np.ndarray, row: int) -> np.ndarray:
    """Which of the tokens of row number `row` are hidden, ascending.

    plain: bool [tokens], those that are not special.
    """
    candidates = np.flatnonzero(plain)
    count = min(len(candidates), max(1, round(SHARE * len(candidates))))
    keys = [
        hashlib.blake2b(f"{RULE}:{row}:{place}".encode(), digest_size=8).digest()
        for place in candidates
    ]
    first = sorted(range(len(candidates)), key=keys.__getitem__)[:count]
    return np.sort(candidates[first])
