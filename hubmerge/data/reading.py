"""How a data set is read for a model: labelled rows, or texts, all with the same three sets."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from transformers import PreTrainedModel

from hubmerge.data.batches import Batches, ColumnReader, make_batches
from hubmerge.data.column_types import ColumnKind
from hubmerge.data.dataset import DataSet
from hubmerge.data.rows import RowSet
from hubmerge.data.targets import Naming, find_targets
from hubmerge.data.texts import text_blocks, text_rows, token_limit
from hubmerge.data.token_rows import TokenRows, encode_texts
from hubmerge.errors import DataError
from hubmerge.models.images import refused
from hubmerge.models.joint_head import JointHead
from hubmerge.models.label_outputs import Answers
from hubmerge.models.outputs import RowStatistics


@dataclass(frozen=True)
class Reading:
    """What makes batches of rows, what the report should say of it, and what a batch's rows are.

    batches: rows, and whether the labels they may have are wanted. unit: the plural word for a row.
    columns: role -> column. by_row: rows where figures of each are kept, if these are not the same
    as batches of labelled ones. measure: which of the task's measures these columns are for; None:
    the one of the model's configuration.
    """

    batches: Callable[[RowSet, bool], Batches]
    notes: tuple[str, ...]
    unit: str
    columns: dict[str, str]
    by_row: Callable[[RowSet], Batches] | None = None
    measure: str | None = None

    def measured(self, rows: RowSet) -> Batches:
        """Labelled batches of rows that are independent of each other."""
        return self.batches(rows, True) if self.by_row is None else self.by_row(rows)


@dataclass(frozen=True, kw_only=True)
class ReadFor:
    """What rows are read for: a model, and how its outputs are to be read.

    statistics: what evaluation keeps of answers. answers: the columns of targets.
    folder: where the model's files lie. labels: its label names by output. by_index: labels of the
    data are matched by number, not by name. tokens: of a text, if a number was asked for. prompt:
    the text for a class, "{}" for its name. heads: of several label sets.
    """

    model: PreTrainedModel
    statistics: RowStatistics
    answers: ColumnKind | None = None
    processor: Any | None = None
    tokenizer: Any | None = None
    folder: Path | None = None
    labels: Mapping[int, str]
    by_index: bool = False
    tokens: int | None = None
    prompt: str | None = None
    heads: JointHead | None = None


def read_labelled(data: DataSet, wanted: ReadFor, reader: ColumnReader, unit: str) -> Reading:
    """Rows of the columns that a model takes, and targets in the order of its outputs.

    unit: the plural word for a row.
    Raises: LabelError.
    """
    naming, heads, answers = Naming(wanted.labels, wanted.by_index), wanted.heads, None
    if heads is not None:
        labels = dict(enumerate(heads.labels))
        naming, answers = Naming(labels, wanted.by_index, named=True), answers_of(heads)
    found, columns = None, dict(zip(("input", "pair"), reader.columns, strict=False))
    if data.label_column is not None and wanted.answers is not None:
        found = find_targets(data, wanted.answers, naming)
        columns["label"] = data.label_column
    return Reading(
        lambda rows, labelled: make_batches(
            data,
            rows,
            reader,
            found.read if found and labelled else None,
            statistics=wanted.statistics,
            answers=answers,
        ),
        found.notes if found else (),
        unit,
        columns,
    )


def read_labelled_texts(data: DataSet, wanted: ReadFor) -> Reading:
    """Texts, or pairs of them, with labels in the order of the model's outputs.

    Raises: DataError, LabelError.
    """
    limit = token_limit(data, wanted.model, wanted.tokenizer, wanted.tokens)
    given = tuple(name for name in (data.text_column, data.pair_column) if name is not None)
    tokens = TokenRows(data.ref, given, encode_texts(limit), limit.vocabulary)
    reader, unit = tokens.reader(wanted.model), "texts"
    if data.pair_column is not None:
        unit = "text pairs"
    said = f"of each row the first {limit.tokens:,} tokens are read, special ones included"
    found = read_labelled(data, wanted, reader, unit)
    return replace(found, notes=(*found.notes, said))


def answers_of(heads: JointHead, parent: int | None = None) -> Answers:
    """How the outputs of the head for all parents are read, or those of one untouched parent."""
    stands_for = heads.stands_for if parent is None else tuple(heads.labels_of(parent))
    return Answers(stands_for, len(heads.labels))


def read_texts(data: DataSet, wanted: ReadFor) -> Reading:
    """Texts: measured one by one, and looked at in blocks of tokens. Raises: DataError."""
    limit = token_limit(data, wanted.model, wanted.tokenizer, wanted.tokens)
    said = (
        f"each text is measured on its first {limit.tokens:,} tokens at most, and every token "
        "weighs the same; for calibration, texts are laid end to end and cut into blocks as long"
    )
    return Reading(
        lambda rows, labelled: text_blocks(data, rows, limit),
        (said,),
        "texts",
        {"text": data.text_column or ""},
        lambda rows: text_rows(data, rows, limit),
    )


def refuse_size(rows: Batches, model: PreTrainedModel, ref: str) -> None:
    """Raises: DataError, if `model` refuses images as large as the first of `rows`."""
    pixels = rows.first(1)[0].inputs.get("pixel_values") if rows.rows else None
    if pixels is None or pixels.ndim != 4:
        return
    height, width = pixels.shape[-2:]
    if (sizes := refused(model, [(height, width)])) is not None:
        raise DataError(
            f"the images of {ref} are {height} x {width}, the model takes {sizes[1][0]} x "
            f"{sizes[1][1]}",
            found="its processor leaves images as large as they are",
            hint='data of that size, or "do_resize": true and "size" in preprocessor_config.json',
        )
