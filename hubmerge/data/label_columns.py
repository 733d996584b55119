"""Labels that stand in a column each, as toxic comments and attributes of faces are stored.

They are the columns called as the labels of a model whose labels may be right together, whatever
case, spaces and underscores these are written with. Read as one list for each row, they are like
any other sets of labels.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from hubmerge.data.column_types import UNLABELLED, is_fraction, is_truth, is_whole
from hubmerge.errors import LabelError
from hubmerge.models.joint_head import normalised

if TYPE_CHECKING:
    from datasets import Dataset, Features

SHOWN = 8
"""Columns that are named where all of them are spoken of."""


def columns_of_labels(features: Features, labels: Sequence[str]) -> dict[str, str]:
    """Label -> the one column of numbers or truths that is called as it is; of all that have one.

    Labels, and columns, that are called alike have none.
    """
    of_flags = [
        name
        for name, kind in features.items()
        if is_truth(kind) or is_whole(kind) or is_fraction(kind)
    ]
    alike = Counter(normalised(name) for name in of_flags)
    there = {normalised(name): name for name in of_flags if alike[normalised(name)] == 1}
    wanted = Counter(normalised(label) for label in labels)
    return {
        label: there[normalised(label)]
        for label in labels
        if wanted[normalised(label)] == 1 and normalised(label) in there
    }


def named(columns: Sequence[str]) -> str:
    """What all of them together are called: "toxic, insult"."""
    more = f" and {len(columns) - SHOWN} more" if len(columns) > SHOWN else ""
    return ", ".join(columns[:SHOWN]) + more


def with_label_lists(
    known: Mapping[str, Dataset], columns: Sequence[str], ref: str
) -> dict[str, Dataset]:
    """Every split with one more column, called as `named` says: a list of the zeros and ones of
    `columns` in each row.

    Where any of a row's columns is missing, empty or -1, the row has no list.
    Raises: LabelError, if a column holds anything else.
    """
    return {split: _with_lists(rows, columns, split, ref) for split, rows in known.items()}


def _with_lists(rows: Dataset, columns: Sequence[str], split: str, ref: str) -> Dataset:
    import numpy as np
    import pyarrow as pa
    from datasets import List, Value

    flags = np.stack([_flags(rows, column, split, ref) for column in columns], axis=1)
    known = (flags != UNLABELLED).all(1)
    starts = np.append(0, np.cumsum(np.where(known, len(columns), 0))).astype(np.int32)
    offsets = pa.array(starts, mask=np.append(~known, False))
    lists = pa.ListArray.from_arrays(offsets, pa.array(flags[known].ravel()))
    found: Dataset = rows.add_column(named(columns), lists, feature=List(Value("int8")))
    return found


def _flags(rows: Dataset, column: str, split: str, ref: str) -> Any:
    """int8 [rows]: 0, 1, or -1 where nothing is known."""
    import numpy as np
    import pyarrow.compute as pc

    if column not in rows.features:
        return np.full(len(rows), UNLABELLED, np.int8)
    values = rows.select_columns([column]).with_format("arrow")[:][column]
    numbers = pc.fill_null(pc.cast(values, "float64"), UNLABELLED).to_numpy()
    numbers = np.where(np.isnan(numbers), UNLABELLED, numbers)
    odd = np.flatnonzero(~np.isin(numbers, (0, 1, UNLABELLED)))
    if len(odd):
        raise LabelError(
            f'column "{column}" of {ref} is called as a label of the model, but does not say in '
            "each row whether it is right",
            found=f'{numbers[odd[0]]:g} in row {odd[0]} of split "{split}", where 0 or 1 is wanted',
            hint="make zeros and ones of it, as by a threshold, or name a column of label lists",
        )
    return numbers.astype(np.int8)
