"""Rows of a split that say nothing: no image, no numbers, no text, or no label where one is needed.

A few of them are left out, counted and said; more than one in a hundred are refused, because then
something is wrong with the data set, or with the column. A text of blanks alone is no gap but a
paragraph's end in many data sets: such rows are left out and said, however many they are.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from hubmerge.data.column_types import UNLABELLED
from hubmerge.errors import DataError

if TYPE_CHECKING:
    from datasets import Dataset

MOST = 0.01
"""Share of a split's rows that may be empty."""

ROWS_AT_ONCE = 1000
"""Rows looked at together: images come with their bytes."""

SHOWN = 5
"""Row numbers quoted in an error."""


@dataclass(frozen=True)
class EmptyRows:
    """Numbers of rows. empty: without an input, or without the label they need. blank: texts of
    blanks alone."""

    empty: tuple[int, ...] = ()
    blank: tuple[int, ...] = ()

    @property
    def rows(self) -> frozenset[int]:
        """All of them."""
        return frozenset((*self.empty, *self.blank))

    def notes(self, split: str, what: str) -> list[str]:
        """What is said of them."""
        counted = ((self.empty, f"no {what}"), (self.blank, "nothing but blanks"))
        return [
            f'{len(rows):,} row{"" if len(rows) == 1 else "s"} of split "{split}" '
            f"{'has' if len(rows) == 1 else 'have'} {lacking} and "
            f"{'was' if len(rows) == 1 else 'were'} left out"
            for rows, lacking in counted
            if rows
        ]


@dataclass(frozen=True)
class Wanted:
    """What a row is to hold.

    column: of inputs. besides: further ones, of which none may lack. label: that of labels; None
    where they do not matter. secret: what stands for a label that is kept secret. what: a row
    lacks, in words.
    """

    column: str | None
    besides: tuple[str, ...]
    label: str | None
    secret: int | None
    what: str


def empty_rows(rows: Dataset, wanted: Wanted, split: str, ref: str) -> EmptyRows:
    """Which rows of `split` are empty. Raises: DataError, if there are more than `MOST`."""
    column, label, what = wanted.column, wanted.label, wanted.what
    missing, blank = np.zeros(len(rows), bool), np.zeros(len(rows), bool)
    if column is not None:
        missing, blank = _looked_at(rows, column)
    for further in wanted.besides:
        missing |= _looked_at(rows, further)[0]
    if label is not None:
        missing |= _without_label(rows, label, wanted.secret)
    found = EmptyRows(_numbers(missing), _numbers(blank & ~missing))
    if len(found.empty) > MOST * len(rows):
        first = ", ".join(map(str, found.empty[:SHOWN]))
        more = ", ..." if len(found.empty) > SHOWN else ""
        raise DataError(
            f'{len(found.empty):,} of {len(rows):,} rows of split "{split}" of {ref} have no '
            f"{what}",
            found=f"rows {first}{more}",
            hint=f"up to {MOST:.0%} are left out; remove the others, or fill them in",
        )
    return found


def unlabelled(rows: Dataset, label: str, secret: int | None = UNLABELLED) -> EmptyRows:
    """Rows without a label, if they are few; none, if labels are not what the split is for."""
    numbers = _numbers(_without_label(rows, label, secret))
    return EmptyRows(numbers if len(numbers) <= MOST * len(rows) else ())


def _numbers(mask: np.ndarray) -> tuple[int, ...]:
    return tuple(np.flatnonzero(mask).tolist())


def _without_label(rows: Dataset, column: str, secret: int | None) -> np.ndarray:
    import pyarrow as pa
    import pyarrow.compute as pc

    def look(values: Any) -> Any:
        absent = pc.is_null(values)
        if pa.types.is_integer(values.type) and secret is not None:
            return pc.or_(absent, pc.fill_null(pc.equal(values, secret), True))
        if pa.types.is_floating(values.type):
            return pc.or_(absent, pc.fill_null(pc.is_nan(values), True))
        if _is_text(values.type):
            return pc.or_(absent, pc.fill_null(pc.equal(pc.utf8_length(values), 0), True))
        return absent

    return np.concatenate([_mask(look(values)) for values in _values(rows, column)])


def _looked_at(rows: Dataset, column: str) -> tuple[np.ndarray, np.ndarray]:
    """Which rows of a column hold nothing, and which of them blanks alone: bool [rows] each."""
    import pyarrow.compute as pc

    found = []
    for values in _values(rows, column):
        absent, blank = _absent(values), np.zeros(len(values), bool)
        if _is_text(values.type):
            trimmed = pc.utf8_length(pc.utf8_trim_whitespace(values))
            blank = _mask(pc.fill_null(pc.equal(trimmed, 0), False))
        found.append((absent, blank))
    absents, blanks = zip(*found, strict=True)
    return np.concatenate(absents), np.concatenate(blanks)


def _absent(values: Any) -> np.ndarray:
    import pyarrow as pa
    import pyarrow.compute as pc

    kind, absent = values.type, _mask(pc.is_null(values))
    if pa.types.is_struct(kind):
        parts = {kind.field(k).name: values.field(k) for k in range(kind.num_fields)}
        held = [~_absent(part) for name, part in parts.items() if name in ("bytes", "path")]
        return absent | ~np.logical_or.reduce(held) if held else absent
    if pa.types.is_list(kind) or pa.types.is_large_list(kind):
        return absent | _mask(pc.fill_null(pc.equal(pc.list_value_length(values), 0), True))
    if pa.types.is_binary(kind) or pa.types.is_large_binary(kind):
        return absent | _mask(pc.fill_null(pc.equal(pc.binary_length(values), 0), True))
    return absent


def _values(rows: Dataset, column: str) -> Iterator[Any]:
    """The column's arrays, some rows at a time."""
    import pyarrow as pa

    chosen = rows.select_columns([column]).with_format("arrow")
    for table in chosen.iter(batch_size=ROWS_AT_ONCE):
        values = table[column].combine_chunks()
        yield values.storage if isinstance(values, pa.ExtensionArray) else values


def _is_text(kind: Any) -> bool:
    import pyarrow as pa

    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind))


def _mask(values: Any) -> np.ndarray:
    found: np.ndarray = np.asarray(values.to_numpy(zero_copy_only=False), bool)
    return found
