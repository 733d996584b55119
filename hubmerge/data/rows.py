"""Which rows are for what: three disjoint sets, by split where the data has them, else by hash.

calibration  statistics and activations; may be training rows
validation   everything that is chosen: lambda, temperature
evaluation   reported, never used for anything else

The rows of a split stand in a fixed order, that of a hash of their number, and every set is a
piece of that order. So a set depends on nothing but the sizes of the splits and the numbers asked
for, a smaller evaluation set is the beginning of a larger one, and n rows are a fair sample.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

from hubmerge.data.dataset import DataSet
from hubmerge.errors import DataError, RecipeError
from hubmerge.errors.wording import leave_out, option

RULE = "hubmerge rows v1"
"""Part of the hash: another rule is another name."""

DEFAULT_ROWS = 1000
"""Default number of evaluation and of calibration rows."""
MOST_VALIDATION_ROWS = 1000
VALIDATION_SHARE = 5
"""A fifth of a split that validation and evaluation share is for validation."""
CALIBRATION_FIFTHS = 2
"""Of a split that all three share, two fifths are for calibration."""


@dataclass(frozen=True)
class RowSet:
    """Rows of one split, in the order in which they are read."""

    split: str
    indices: tuple[int, ...]
    available: int
    """Rows of the split that could have been taken for this purpose."""

    def __len__(self) -> int:
        return len(self.indices)

    @property
    def fingerprint(self) -> str:
        """First 16 hex digits of the sha256 of the numbers, joined by commas."""
        return hashlib.sha256(",".join(map(str, self.indices)).encode()).hexdigest()[:16]


@dataclass(frozen=True)
class Rows:
    """The three sets. The same data and the same three lengths give the same rows again."""

    calibration: RowSet
    validation: RowSet
    evaluation: RowSet
    notes: tuple[str, ...] = ()
    rule: str = RULE

    def describe(self) -> str:
        """One line a set."""
        return "\n".join(
            f'{name}: {len(rows):,} of {rows.available:,} rows of split "{rows.split}" '
            f"({rows.fingerprint})"
            for name, rows in (
                ("calibration", self.calibration),
                ("validation", self.validation),
                ("evaluation", self.evaluation),
            )
        )


@lru_cache(maxsize=8)
def hash_order(size: int) -> tuple[int, ...]:
    """0 ... size-1 in the fixed order: by blake2b of "hubmerge rows v1:{row}"."""

    def key(row: int) -> bytes:
        return hashlib.blake2b(f"{RULE}:{row}".encode(), digest_size=8).digest()

    return tuple(sorted(range(size), key=key))


def data_order(data: DataSet, split: str) -> tuple[int, ...]:
    """The rows of a split in the fixed order, but those that are left out."""
    order, left_out = hash_order(len(data.splits[split])), data.left_out.get(split)
    return tuple(row for row in order if row not in left_out) if left_out else order


def choose_rows(
    data: DataSet,
    *,
    samples: int | Literal["all"] | None = None,
    calibration_samples: int | None = None,
) -> Rows:
    """Divide the rows of `data`.

    samples: evaluation rows; None is the smaller of 1,000 and what there is, "all" all of that.
        A number that leaves no room for the other sets in the same split takes their rows, those
        of validation first, and says so in a note.
    calibration_samples: None is the smaller of 1,000 and what there is.
    Raises: DataError, if a number asked for is larger than what there is; RecipeError, if it makes
        no sense.
    """
    if isinstance(samples, str) and samples != "all":
        raise RecipeError(
            option("samples", samples), hint='give a number, or "all"', field="samples"
        )
    if isinstance(samples, int) and samples < 1:
        raise RecipeError(
            option("samples", samples), hint="evaluation needs at least one row", field="samples"
        )
    if calibration_samples is not None and calibration_samples < 0:
        raise RecipeError(
            option("calibration_samples", calibration_samples),
            hint="give 0 or more",
            field="calibration_samples",
        )
    order = data_order(data, data.split)
    size = len(order)
    borrowed = 0 if data.calibration_split else CALIBRATION_FIFTHS * size // VALIDATION_SHARE
    held = 0 if data.validation_split else min(size // VALIDATION_SHARE, MOST_VALIDATION_ROWS)
    reserved = borrowed + held
    n = _evaluation_size(data, samples, size, size - reserved)
    # Once its own rows are used up, evaluation takes the reserved ones from their end.
    evaluation = (order[reserved:] + order[:reserved][::-1])[:n]
    kept = min(reserved, size - n)
    rows = Rows(
        calibration=_calibration(data, calibration_samples, order[: min(borrowed, kept)]),
        validation=_validation(data, order[borrowed:kept]),
        evaluation=RowSet(data.split, evaluation, size if n > size - reserved else size - reserved),
    )
    return Rows(rows.calibration, rows.validation, rows.evaluation, _notes(data, rows))


def training_rows(data: DataSet, wanted: int, used: int) -> tuple[RowSet, int]:
    """So many rows of the training split, those last that have another use already.

    used: rows at the beginning of that split's order that are calibration rows, or learned from.
    Returns: the rows, and how many of them were. Raises: DataError, if there are not so many, or no
    training split beside the one that is reported on.
    """
    split = data.calibration_split
    if split is None:
        raise DataError(
            f"{wanted:,} training rows were asked for",
            found=f'{data.ref} has no training split beside "{data.split}"',
            hint=f"name one by {option('dataset.calibration_split')}, or "
            + leave_out("train_samples"),
            field="train_samples",
        )
    order = data_order(data, split)
    if wanted > len(order):
        raise DataError(
            f"{wanted:,} training rows were asked for",
            found=f'split "{split}" of {data.ref} has {len(order):,} rows',
            hint=f"ask for {len(order):,} or fewer",
            field="train_samples",
        )
    taken = (order[used:] + order[:used][::-1])[:wanted]
    return RowSet(split, taken, len(order)), max(0, wanted - (len(order) - used))


def _evaluation_size(data: DataSet, samples: int | str | None, size: int, own: int) -> int:
    if samples is None:
        return min(DEFAULT_ROWS, own)
    if isinstance(samples, str):
        return own
    if samples > size:
        raise DataError(
            f"{samples:,} evaluation rows were asked for",
            found=f'split "{data.split}" of {data.ref} has {size:,} rows',
            hint=f"ask for {own:,} or fewer, or for all: {option('samples', 'all')}",
            field="samples",
        )
    return samples


def _calibration(data: DataSet, asked: int | None, borrowed: tuple[int, ...]) -> RowSet:
    """From its own split if there is one, else from the rows `borrowed` of the evaluation split."""
    split = data.calibration_split
    order = data_order(data, split) if split else borrowed
    if asked is not None and asked > len(order):
        raise DataError(
            f"{asked:,} calibration rows were asked for",
            found=f'{len(order):,} rows of split "{split or data.split}" of {data.ref} are free '
            "for calibration",
            hint=f"ask for {len(order):,} or fewer",
            field="calibration_samples",
        )
    n = min(DEFAULT_ROWS, len(order)) if asked is None else asked
    return RowSet(split or data.split, order[:n], len(order))


def _validation(data: DataSet, held: tuple[int, ...]) -> RowSet:
    """From its own split if there is one, else the rows `held` back in the evaluation split."""
    split = data.validation_split
    order = data_order(data, split) if split else held
    return RowSet(split or data.split, order[:MOST_VALIDATION_ROWS], len(order))


def _notes(data: DataSet, rows: Rows) -> tuple[str, ...]:
    notes = list(data.notes)
    if not data.calibration_split and len(rows.calibration):
        notes.append(
            f'there is no training split beside "{data.split}": '
            "calibration rows were hashed out of it"
        )
    if not len(rows.calibration):
        notes.append("no rows were left or asked for to calibrate statistics on")
    if not len(rows.validation):
        notes.append(
            f'no rows of split "{data.split}" were left for validation: '
            "nothing can be chosen, and no temperature fitted"
        )
    return tuple(notes)
