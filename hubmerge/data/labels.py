"""Bringing the labels of a data set into the order of a model's outputs.

By name where both have names, whatever case, spaces and underscores they are written with. By
position only where one side has no names. Nothing else is guessed.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

from hubmerge.data.column_types import UNLABELLED, inner
from hubmerge.data.dataset import DataSet
from hubmerge.errors import LabelError
from hubmerge.models.joint_head import MADE_UP, normalised

Label = int | str

SHOWN = 5
"""Labels quoted in an error."""


@dataclass(frozen=True)
class LabelMap:
    """Where each label of the data set stands among the model's outputs."""

    index: Mapping[Label, int]
    how: Literal["by name", "by index"]
    note: str | None = None
    """What a reader of the report should know."""


def match_labels(
    data: DataSet,
    id2label: Mapping[int, str],
    *,
    by_index: bool = False,
    named: bool = False,
    no_labels: Collection[Label] = (),
) -> LabelMap:
    """The map from the values of `data`'s label column to output indices of the model.

    Names decide where both sides have them. The index decides where the data holds bare numbers
    or the model's names say nothing (LABEL_0) and the data has as many classes as the model, or
    where `by_index` says so. named: names alone may decide, because the order is no model's own.
    no_labels: values that stand where no label is.
    Raises: LabelError, if a label of the data has no place in the model.
    """
    model = [id2label[index] for index in sorted(id2label)]
    names: dict[Label, str]
    if data.label_names is not None:
        names = dict(enumerate(data.label_names))
    else:
        values = [value for value in _values(data) if value not in no_labels]
        names = {value: str(value) for value in values}
        numbers = [value for value in values if isinstance(value, int)]
        names_are_numbers = all(name.strip().isdecimal() for name in model)
        if numbers and (by_index or not names_are_numbers):
            if named:
                raise _nameless(data, model)
            return _numbers_by_index(data, numbers, model)
    if by_index or says_nothing(model):
        return _names_by_index(data, names, model)
    return _by_name(data, names, model)


def says_nothing(names: Iterable[str]) -> bool:
    """Whether all names are transformers' own LABEL_0, LABEL_1, ..."""
    return all(MADE_UP.fullmatch(name) for name in names)


def _by_name(data: DataSet, names: Mapping[Label, str], model: list[str]) -> LabelMap:
    there = [normalised(name) for name in model]
    here = {value: normalised(name) for value, name in names.items()}
    if list(here.values()) == there:  # also where names repeat, as "crane" in ImageNet
        return LabelMap({value: index for index, value in enumerate(here)}, "by name")
    unknown = [names[value] for value, name in here.items() if name not in there]
    if unknown:
        raise LabelError(
            f"the model does not know {len(unknown)} of the {len(here)} labels of {data.ref}: "
            f"{_quoted(unknown)}",
            found=f"the model's {len(model)} labels are {_quoted(model)}",
            source=f'column "{data.label_column}" of {data.ref}',
            hint="use a data set the model was trained for, or another label column",
        )
    counts = Counter(there)
    repeated = [names[value] for value, name in here.items() if counts[name] > 1]
    if repeated:
        raise LabelError(
            f"the model has several classes of one name: {_quoted(repeated)}",
            source=f'column "{data.label_column}" of {data.ref}',
            hint="match the labels by index",
        )
    missing = len(set(there) - set(here.values()))
    note = f"{missing} of the model's {len(model)} classes do not occur in the data set"
    return LabelMap(
        {value: there.index(name) for value, name in here.items()},
        "by name",
        note if missing else None,
    )


def _names_by_index(data: DataSet, names: Mapping[Label, str], model: list[str]) -> LabelMap:
    if any(isinstance(value, str) for value in names):
        raise LabelError(
            f'the text labels in "{data.label_column}" of {data.ref} have no order, '
            "so they cannot be matched by index",
            found=f"the model's labels are {_quoted(model)}",
            hint="give the model's config an id2label with real names",
        )
    if len(names) != len(model):
        raise LabelError(
            f"{data.ref} has {len(names)} classes, the model {len(model)}: "
            "they cannot be matched by index",
            found=f"labels {_quoted(names.values())} in the data, {_quoted(model)} in the model",
        )
    return LabelMap(
        {value: index for index, value in enumerate(names)},
        "by index",
        "labels were matched by index, not by name",
    )


def _numbers_by_index(data: DataSet, numbers: list[int], model: list[str]) -> LabelMap:
    outside = [str(number) for number in numbers if not 0 <= number < len(model)]
    if outside:
        raise LabelError(
            f'"{data.label_column}" of {data.ref} holds {_quoted(outside)}',
            found=f"the model has {len(model)} classes, 0 to {len(model) - 1}",
            hint="use a data set the model was trained for, or another label column",
        )
    return LabelMap(
        {number: number for number in range(len(model))},
        "by index",
        "the data set's labels are numbers without names: they were taken as output indices",
    )


def _nameless(data: DataSet, model: list[str]) -> LabelError:
    return LabelError(
        f'"{data.label_column}" of {data.ref} holds numbers without names, and heads of several '
        "label sets are matched by name",
        found=f"the labels of all parents together are {_quoted(model)}",
        hint="give the column class names (ClassLabel), or text",
    )


def _values(data: DataSet) -> list[Label]:
    """Every label that occurs in the splits that are evaluated, sorted."""
    found: set[Label] = set()
    for split in {data.split, data.validation_split} - {None}:
        rows, column = data.splits[str(split)], str(data.label_column)
        if inner(rows.features[column]) is None:
            found |= set(rows.unique(column))
        else:
            lists = rows.select_columns([column]).with_format("arrow")[:][column]
            found |= set(lists.combine_chunks().flatten().unique().to_pylist())
    return sorted(found - {UNLABELLED, None}, key=lambda value: (str(type(value)), value))


def _quoted(names: Iterable[str]) -> str:
    names = list(names)
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return ", ".join(f'"{name}"' for name in names[:SHOWN]) + more
