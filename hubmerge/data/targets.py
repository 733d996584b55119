"""Targets of rows: from the label column of a data set to what a model's outputs are held to.

Classes are numbers of outputs, sets of labels a 0 or 1 for every output, numbers themselves.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from hubmerge.data.batches import TargetReader
from hubmerge.data.column_types import (
    CLASSES,
    LABEL_SETS,
    NUMBERS,
    UNLABELLED,
    ColumnKind,
    has_names,
    inner,
    is_fraction,
    is_truth,
    is_whole,
)
from hubmerge.data.dataset import DataSet
from hubmerge.data.labels import LabelMap, match_labels
from hubmerge.data.rows import RowSet
from hubmerge.errors import DataError, LabelError

if TYPE_CHECKING:
    from datasets import Dataset


@dataclass(frozen=True)
class Naming:
    """How labels of the data are found among the model's outputs.

    labels: label names by output. by_index: by number, not by name. named: by names alone.
    """

    labels: Mapping[int, str]
    by_index: bool = False
    named: bool = False


@dataclass(frozen=True)
class FoundTargets:
    """What reads targets, and what the report should say of it."""

    read: TargetReader
    notes: tuple[str, ...] = ()


def find_targets(data: DataSet, kind: ColumnKind, naming: Naming) -> FoundTargets:
    """How the label column of `data` is read, which is one of `kind`.

    Raises: LabelError, if a label of the data has no place in the model.
    """
    return READERS[kind.holds](data, naming)


def _classes(data: DataSet, naming: Naming) -> FoundTargets:
    found = match_labels(data, naming.labels, by_index=naming.by_index, named=naming.named)
    return FoundTargets(classes_of(data, found), (found.note,) if found.note else ())


def classes_of(data: DataSet, found: LabelMap) -> TargetReader:
    """Reads the output that each row's label stands for, int64 [rows]."""

    def read(dataset: Dataset, rows: RowSet) -> Tensor:
        values = values_of(data, dataset, rows)
        for row, value in zip(rows.indices, values, strict=True):
            _refuse_unknown(value, found, row, rows, data)
        return torch.tensor([found.index[value] for value in values], dtype=torch.int64)

    return read


def _label_sets(data: DataSet, naming: Naming) -> FoundTargets:
    """Lists of labels, or of as many zeros and ones as the model has labels."""
    outputs = len(naming.labels)
    if _is_flags(data, outputs):
        said = f'each list of "{data.label_column}" was read as a 0 or 1 for every label, in order'
        if data.label_columns:
            said = f"each label is read from the column called as it is: {data.label_column}"

        def flags(dataset: Dataset, rows: RowSet) -> Tensor:
            values = values_of(data, dataset, rows)
            for row, value in zip(rows.indices, values, strict=True):
                if value is None or len(value) != outputs or not {*value} <= {0, 1}:
                    raise _unfit(row, rows, data, value, f"{outputs} zeros and ones")
            return torch.tensor(values, dtype=torch.float64).view(-1, outputs).long()

        return FoundTargets(flags, (said,))
    found = match_labels(data, naming.labels, by_index=naming.by_index, named=naming.named)

    def read(dataset: Dataset, rows: RowSet) -> Tensor:
        target = torch.zeros(len(rows), outputs, dtype=torch.int64)
        values = values_of(data, dataset, rows)
        for place, (row, value) in enumerate(zip(rows.indices, values, strict=True)):
            if value is None:
                raise _unfit(row, rows, data, value, "a list of labels")
            for label in value:
                _refuse_unknown(label, found, row, rows, data)
                target[place, found.index[label]] = 1
        return target

    return FoundTargets(read, (found.note,) if found.note else ())


def _is_flags(data: DataSet, outputs: int) -> bool:
    """Whether lists hold a 0 or 1 for every label, and not the labels themselves.

    Of whole numbers without names that cannot be known by the type: they do where every list has
    as many as there are labels, and nothing but zeros and ones.
    Raises: LabelError, where they can be nothing else and do not fit: a list of labels says none of
    them twice.
    """
    kind = data.label_feature
    whole = is_whole(kind)
    if not (is_fraction(kind) or is_truth(kind) or whole) or has_names(kind):
        return False
    lists = _values(data).to_pylist()
    unfit = [
        row
        for row, value in enumerate(lists)
        if value is not None and (len(value) != outputs or not {*value} <= {0, 1})
    ]
    if not unfit:
        return True
    flags = all({*value} <= {0, 1} for value in lists if value is not None)
    twice = any(len({*value}) < len(value) for value in lists if value is not None)
    if whole and not (flags and twice):
        return False
    raise LabelError(
        f'"{data.label_column}" of {data.ref} does not hold a 0 or 1 for each of {outputs} labels',
        found=f'{str(lists[unfit[0]])[:80]} in row {unfit[0]} of split "{data.split}"',
        source=f'column "{data.label_column}" of {data.ref}',
        hint="give each row a 0 or 1 for every label of the model, or a list of names",
    )


def _numbers(data: DataSet, naming: Naming) -> FoundTargets:
    outputs = len(naming.labels)
    if (same := _only_value(data)) is not None:
        raise LabelError(
            f'every row of split "{data.split}" of {data.ref} has the same label, {same:g}: '
            "nothing can be measured against it",
            source=f'column "{data.label_column}" of {data.ref}',
            hint="name a column of numbers that differ",
        )

    def read(dataset: Dataset, rows: RowSet) -> Tensor:
        values = values_of(data, dataset, rows)
        lists = [value if isinstance(value, list) else [value] for value in values]
        for row, value in zip(rows.indices, lists, strict=True):
            if len(value) != outputs or None in value or not _finite(value):
                raise _unfit(row, rows, data, value, f"{outputs} finite numbers")
        return torch.tensor([[float(n) for n in value] for value in lists], dtype=torch.float64)

    return FoundTargets(read)


def _only_value(data: DataSet) -> float | None:
    """The one number that stands in all of several rows of the evaluated split; None, where they
    differ.
    """
    import pyarrow.compute as pc

    values = _values(data)
    lists = inner(data.splits[data.split].features[str(data.label_column)]) is not None
    found = pc.unique(pc.list_flatten(values) if lists else values).drop_null()
    return float(found[0].as_py()) if len(found) == 1 and len(values) > 1 else None


def _values(data: DataSet) -> Any:
    """The label column of the evaluated split, as an array of pyarrow."""
    column = str(data.label_column)
    return data.splits[data.split].select_columns([column]).with_format("arrow")[:][column]


def _finite(values: Iterable[Any]) -> bool:
    return all(abs(float(value)) < float("inf") for value in values)


def values_of(data: DataSet, dataset: Dataset, rows: RowSet) -> list[Any]:
    """What the label column holds in each row. Raises: DataError, if the split has none."""
    column = str(data.label_column)
    if column not in dataset.features:
        raise DataError(
            f'split "{rows.split}" of {data.ref} has no column "{column}"',
            found=", ".join(dataset.features),
        )
    found: list[Any] = dataset.select_columns([column]).select(rows.indices)[column][:]
    return found


def _refuse_unknown(value: Any, found: LabelMap, row: int, rows: RowSet, data: DataSet) -> None:
    """Raises: LabelError, if a label has no place among the model's outputs."""
    if value not in found.index:
        missing = value is None or value == UNLABELLED
        raise LabelError(
            f'row {row} of split "{rows.split}" of {data.ref} has '
            + ("no label" if missing else f'the label "{value}", unknown to the model'),
            source=f'column "{data.label_column}"',
        )


def _unfit(row: int, rows: RowSet, data: DataSet, value: Any, wanted: str) -> LabelError:
    return LabelError(
        f'row {row} of split "{rows.split}" of {data.ref} does not hold {wanted}',
        found=repr(value)[:80],
        source=f'column "{data.label_column}"',
    )


READERS: dict[str, Callable[[DataSet, Naming], FoundTargets]] = {
    CLASSES.holds: _classes,
    LABEL_SETS.holds: _label_sets,
    NUMBERS.holds: _numbers,
}
