"""How a data set is read for a model: one way for each task, all with the same three sets."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from transformers import PreTrainedModel

from hubmerge.measure.batches import Batches, make_batches
from hubmerge.measure.data import Data
from hubmerge.measure.labels import match_labels
from hubmerge.measure.rows import RowSet
from hubmerge.measure.texts import cut_for, text_batches
from hubmerge.models.task import LANGUAGE, task_of


@dataclass(frozen=True)
class Reading:
    """What makes batches of rows, what the report should say of it, and what a batch's rows are.

    batches: rows, and whether their labels are wanted. unit: the plural word for a row.
    columns: role -> column.
    """

    batches: Callable[[RowSet, bool], Batches]
    notes: tuple[str, ...]
    unit: str
    columns: dict[str, str]


def read_for(
    data: Data,
    model: PreTrainedModel,
    processor: Any | None,
    tokenizer: Any | None,
    *,
    labels: dict[int, str],
    by_index: bool = False,
    tokens: int | None = None,
) -> Reading:
    """The way `data` is read for `model`. Raises: DataError, LabelError."""
    if task_of(model.config) is LANGUAGE:
        return _texts(data, model, tokenizer, tokens)
    found = match_labels(data, labels, by_index=by_index)
    return Reading(
        lambda rows, labelled: make_batches(
            data, rows, model, processor, found if labelled else None
        ),
        (found.note,) if found.note else (),
        "images" if data.image_column else "rows",
        {
            "input": data.image_column or data.feature_column or "",
            "label": data.label_column or "",
        },
    )


def _texts(
    data: Data, model: PreTrainedModel, tokenizer: Any | None, tokens: int | None
) -> Reading:
    cut = cut_for(data, model, tokenizer, tokens)
    said = (
        f"the texts of each set were laid end to end and cut into blocks of {cut.tokens:,} tokens, "
        "as many as texts at most"
    )
    return Reading(
        lambda rows, labelled: text_batches(data, rows, cut),
        (said,),
        f"blocks of {cut.tokens:,} tokens",
        {"text": data.text_column or ""},
    )
