"""Questions about a text, and where in it the answer stands.

A long text is read in the first of its windows that holds the answer, as such models are trained;
where there is no answer, in its first one, and the answer is the token that stands for the whole
row, or the first. Further answers that were given count for an exact match, and the first one for
the loss. A question takes half of the tokens at most, so that some of the text is always read.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from hubmerge.data.batches import make_batches
from hubmerge.data.dataset import DataSet
from hubmerge.data.reading import ReadFor, Reading
from hubmerge.data.rows import RowSet
from hubmerge.data.texts import TokenLimit, beginning, token_limit, usual_tokens
from hubmerge.data.token_rows import Encode, Encoded, TokenRows
from hubmerge.errors import DataError, LabelError
from hubmerge.errors.wording import option
from hubmerge.models.token_outputs import IGNORED

if TYPE_CHECKING:
    from datasets import Dataset

TOKENS = 384
"""Default number of tokens of question and text (arXiv:1810.04805, code of SQuAD)."""
ANSWERS = 8
"""Answers of a row that are known, at most."""
FEWEST = 12
"""Tokens that question and text need together: special ones, and windows that overlap."""
SPANS = "spans"
"""First and last token of each answer."""


def read_spans(data: DataSet, wanted: ReadFor) -> Reading:
    """Rows of a question, a text and its answers. Raises: DataError."""
    tokens = wanted.tokens or usual_tokens(wanted.model, wanted.tokenizer, TOKENS)
    limit = token_limit(data, wanted.model, wanted.tokenizer, tokens)
    if data.pair_column is None or not getattr(limit.tokenizer, "is_fast", False):
        raise DataError(
            f"no answers can be found in the texts of {data.ref}",
            found="no column of texts beside that of questions"
            if data.pair_column is None
            else f"{type(limit.tokenizer).__name__}, which does not say where a token stands",
            hint="name the columns of questions and of texts; the model needs a tokenizer.json",
            field="dataset.pair_column",
        )
    if limit.tokens < FEWEST:
        raise DataError(
            f"{limit.tokens:,} tokens are too few for a question and a text",
            hint=f"{option('dataset.tokens', FEWEST)} or more",
            field="dataset.tokens",
        )
    columns = {"question": str(data.text_column), "text": data.pair_column}
    given = [str(data.text_column), data.pair_column]
    answers: list[str] = []
    if data.label_column is not None:
        columns["answers"] = data.label_column
        answers = [data.label_column]
    rows_of = TokenRows(
        data.ref,
        tuple(given),
        _encode(limit, bool(answers), data),
        limit.vocabulary,
        tuple(answers),
    )
    reader = rows_of.reader(wanted.model)

    def target(dataset: Dataset, rows: RowSet) -> Tensor:
        encoded = rows_of.of(dataset, rows.split, rows.indices)
        return torch.from_numpy(np.stack([row[SPANS] for row in encoded]).astype(np.int64))

    said = (
        f"question and text together have {limit.tokens:,} tokens at most, the question "
        f"{_most_of_question(limit):,} of them; of a longer text the first window that holds the "
        "answer is read"
    )
    return Reading(
        lambda rows, labelled: make_batches(
            data,
            rows,
            reader,
            target if labelled and answers else None,
            statistics=wanted.statistics,
        ),
        (said,),
        "questions",
        columns,
    )


def _encode(limit: TokenLimit, answered: bool, data: DataSet) -> Encode:
    def encode(columns: list[list[Any]], rows: Sequence[int]) -> Iterator[Encoded]:
        answers = columns[2] if answered else [None] * len(rows)
        for row, question, text, given in zip(rows, *columns[:2], answers, strict=True):
            places = _places(given, text, row, data)
            yield _window(limit, question, text, places)

    return encode


def _places(given: Any, text: str, row: int, data: DataSet) -> list[tuple[int, int]]:
    """First and last character of each answer. Raises: LabelError, where the text does not have it
    there.
    """
    found: dict[tuple[int, int], None] = {}
    for start, said in _answers(given, row, data):
        if not (isinstance(start, int) and isinstance(said, str)):
            raise _misplaced(row, data, f"{said!r:.40} at character {start!r:.20}")
        if not said:
            continue
        last = start + len(said) - 1
        if not 0 <= start <= last < len(text):
            raise _misplaced(row, data, f"characters {start} to {last} of {len(text)}")
        there = text[start : last + 1]
        if _plain(there) != _plain(said):
            raise _misplaced(
                row, data, f"{said!r:.60} at character {start}, where {there!r:.60} is"
            )
        found[start, last] = None
    return [*found][:ANSWERS]


def _answers(given: Any, row: int, data: DataSet) -> list[tuple[Any, Any]]:
    """Where each answer starts, and its text: of a struct of two lists or of one answer, or of a
    list of structs.
    """
    if given is None:
        return []
    if not isinstance(given, Mapping):
        return [(each["answer_start"], each["text"]) for each in given if each is not None]
    both = (given["answer_start"], given["text"])
    if not any(isinstance(each, list) for each in both):
        return [] if both == (None, None) else [both]
    starts, texts = (each if isinstance(each, list) else [each] for each in both)
    if len(starts) != len(texts):
        raise _misplaced(row, data, f"{len(texts)} texts, {len(starts)} places")
    return [*zip(starts, texts, strict=True)]


def _plain(text: str) -> str:
    """`text` as an answer is compared: whatever its case and its blanks."""
    return " ".join(text.casefold().split())


def _misplaced(row: int, data: DataSet, found: str) -> LabelError:
    return LabelError(
        f"an answer of row {row} of {data.ref} does not lie in its text",
        found=found,
        source=f'column "{data.label_column}"',
        hint='"answer_start" counts the characters of the text before the answer, from 0 on',
    )


def _window(
    limit: TokenLimit, question: str, text: str, places: Sequence[tuple[int, int]]
) -> Encoded:
    """The first window of `text` that holds the first answer, and where the answers are in it."""
    found = limit.tokenizer(
        _short(question, limit),
        text,
        truncation="only_second",
        max_length=limit.tokens,
        stride=limit.tokens // 4,
        return_overflowing_tokens=True,
        return_offsets_mapping=True,
        verbose=False,
    )
    windows = range(len(found["input_ids"]))
    spans = [_spans(found, window, places) for window in windows]
    chosen = next((w for w in windows if not places or spans[w][0][0] != IGNORED), 0)
    spans_here = spans[chosen]
    if not places or spans_here[0][0] == IGNORED:
        nothing = _whole_row(limit, found["input_ids"][chosen])
        spans_here = [(nothing, nothing), *spans_here[1:]]
    encoded = {
        name: np.asarray(values[chosen], np.int32)
        for name, values in found.items()
        if name not in ("offset_mapping", "overflow_to_sample_mapping")
    }
    return encoded | {SPANS: np.asarray(spans_here, np.int32)}


def _most_of_question(limit: TokenLimit) -> int:
    return (limit.tokens - limit.tokenizer.num_special_tokens_to_add(pair=True)) // 2


def _short(question: str, limit: TokenLimit) -> str:
    """As much of a question as is read."""
    most, question = _most_of_question(limit), beginning(question, limit)
    if len(question.encode()) <= most:  # no token is less than a byte
        return question
    found = limit.tokenizer(
        question,
        add_special_tokens=False,
        truncation=True,
        max_length=most,
        return_offsets_mapping=True,
        verbose=False,
    )
    return question[: max((end for _, end in found["offset_mapping"]), default=0)]


def _whole_row(limit: TokenLimit, tokens: Sequence[int]) -> int:
    """The place of the token that stands for a row as a whole; the first, where there is none."""
    for token in (limit.tokenizer.cls_token_id, limit.tokenizer.bos_token_id):
        if token is not None and token in tokens:
            return tokens.index(token)
    return 0


def _spans(found: Any, window: int, places: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
    """First and last token of each answer in a window; `IGNORED` where it is not whole."""
    owners, offsets = found.sequence_ids(window), found["offset_mapping"][window]
    spans = []
    for start, last in places:
        tokens = [
            token
            for token, (begin, end) in enumerate(offsets)
            if owners[token] == 1 and begin <= last and end > start
        ]
        whole = bool(tokens) and offsets[tokens[0]][0] <= start and offsets[tokens[-1]][1] > last
        spans.append((tokens[0], tokens[-1]) if whole else (IGNORED, IGNORED))
    return [*spans, *[(IGNORED, IGNORED)] * (ANSWERS - len(spans))]
