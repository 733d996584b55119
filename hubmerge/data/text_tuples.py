"""Texts that belong together: pairs of them, and triplets with one that does not belong.

Names as data sets of sentence-transformers have them. Pairs of other names may be anything, so
without a score they are not read.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from hubmerge.data.column_types import is_text, typed
from hubmerge.errors import DataError

if TYPE_CHECKING:
    from datasets import Features

BELONGING = (
    ("anchor", "positive"),
    ("query", "positive"),
    ("question", "positive"),
    ("query", "answer"),
    ("question", "answer"),
    ("query", "passage"),
    ("sent0", "sent1"),
)
"""Names of a text and of one that belongs to it, most usual first."""

NEGATIVES = ("negative", "hard_neg")
"""Names of a text that does not belong to the first, most usual first."""

Tuple = tuple[str, str, str | None]


def find_belonging(
    features: Features, text: str | None, pair: str | None, negative: str | None, ref: str
) -> Tuple | None:
    """(a text, one that belongs to it, one that does not): those asked for, else those of usual
    names; None where there are none. Of a pair alone the third is None.

    Raises: DataError, for a column of negatives that is not there or holds no texts.
    """
    texts = [name for name, kind in features.items() if is_text(kind)]
    if negative is not None and negative not in texts:
        raise DataError(
            f'{ref} has no column "{negative}" of texts', found=typed(features, [*features])
        )
    usual = (
        both
        for both in BELONGING
        if {*both} <= {*texts} and text in (None, both[0]) and pair in (None, both[1])
    )
    third = negative or next((name for name in NEGATIVES if name in texts), None)
    if text is not None and pair is not None and third is not None:
        return text, pair, third
    found = next(usual, None)
    return None if found is None else (*found, third)
