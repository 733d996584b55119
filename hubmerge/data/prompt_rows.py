"""Images, and a text for each class that says what would be on them.

What is measured are images against the texts of all classes. What is only looked at, as by
matchers, are images beside a text each: those of the classes in turn.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import TYPE_CHECKING

import torch

from hubmerge.data.batches import Batches, ColumnReader, Inputs, image_reader, make_batches
from hubmerge.data.dataset import DataSet
from hubmerge.data.labels import match_labels
from hubmerge.data.reading import ReadFor, Reading
from hubmerge.data.rows import RowSet
from hubmerge.data.targets import classes_of
from hubmerge.data.texts import TokenLimit, token_limit
from hubmerge.errors import DataError
from hubmerge.models.prompt_outputs import Prompts, PromptStatistics

if TYPE_CHECKING:
    from datasets import Dataset
    from transformers import PreTrainedModel

TEMPLATE = "This is a photo of {}."
"""What transformers' own pipeline asks (`ZeroShotImageClassificationPipeline`)."""
PADDED = ("siglip",)
"""Model types that are trained with texts of one length, padding included (arXiv:2303.15343)."""


def read_prompted(data: DataSet, wanted: ReadFor) -> Reading:
    """Images, and the classes of the data set as texts. Raises: DataError, LabelError."""
    limit = token_limit(data, wanted.model, wanted.tokenizer, wanted.tokens)
    template = wanted.prompt or TEMPLATE
    if template.count("{}") != 1:
        raise DataError(
            f"{template!r} is no text for every class",
            hint='"{}" stands once in it, for the name of the class',
            field="dataset.prompt",
        )
    names = _names(data)
    prompts = prompts_of([template.replace("{}", _said(name)) for name in names], limit, wanted)
    reader = image_reader(data, wanted.model, wanted.processor)
    statistics = PromptStatistics(prompts)
    found = match_labels(data, dict(enumerate(names)), named=True)
    columns = {"image": reader.columns[0], "label": str(data.label_column)}

    def measured(rows: RowSet) -> Batches:
        return make_batches(data, rows, reader, classes_of(data, found), statistics=statistics)

    shown = _beside(reader, prompts)
    return Reading(
        lambda rows, labelled: (
            measured(rows) if labelled else make_batches(data, rows, shown, None)
        ),
        (f'the text for a class is "{template}"; there are {len(names)} of them',),
        "images",
        columns,
        measured,
    )


def _names(data: DataSet) -> list[str]:
    """What the classes of the data set are called. Raises: DataError, where they have no names."""
    names = data.label_names
    if names is None:
        values = data.splits[data.split].unique(data.label_column)
        names = sorted(value for value in values if isinstance(value, str))
        if not names:
            raise DataError(
                f"the classes of {data.ref} have no names that could be asked for",
                source=f'column "{data.label_column}"',
                hint="give the column class names (ClassLabel), or text",
            )
    return names


def _said(name: str) -> str:
    return name.replace("_", " ").strip()


def prompts_of(texts: Sequence[str], limit: TokenLimit, wanted: ReadFor) -> Prompts:
    """The texts as tokens, those of one length together."""
    padded = wanted.model.config.model_type in PADDED
    found = [
        dict(
            limit.tokenizer(
                text,
                truncation=True,
                max_length=_most(wanted.model, limit) if padded else limit.tokens,
                padding="max_length" if padded else False,
                verbose=False,
            )
        )
        for text in texts
    ]
    names = [name for name in ("input_ids", "attention_mask") if name in found[0]]
    if padded:
        names = names[:1]
    lengths: dict[int, list[int]] = {}
    for number, encoded in enumerate(found):
        lengths.setdefault(len(encoded["input_ids"]), []).append(number)
    return Prompts(
        tuple(map(tuple, lengths.values())),
        tuple(
            {name: torch.tensor([found[number][name] for number in same]) for name in names}
            for same in lengths.values()
        ),
    )


def _most(model: PreTrainedModel, limit: TokenLimit) -> int:
    return int(getattr(model.config.get_text_config(), "max_position_embeddings", limit.tokens))


def _beside(reader: ColumnReader, prompts: Prompts) -> ColumnReader:
    """Reads images beside the text of a class each, the classes in turn by number of the row."""

    def read(dataset: Dataset, split: str, rows: Sequence[int]) -> Inputs:
        texts = [prompts.of(row % prompts.count) for row in rows]
        given = {name: torch.cat([text[name] for text in texts]) for name in texts[0]}
        return {**given, **reader.read(dataset, split, rows)}

    def lengths(dataset: Dataset, rows: RowSet) -> Sequence[Hashable]:
        return [prompts.of(row % prompts.count)["input_ids"].shape[1] for row in rows.indices]

    return ColumnReader(reader.columns, read, lengths=lengths)
