"""What an assignment is, and what proves it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Assignment:
    """One column for every row, and the prices that show no other choice is worth more."""

    columns: np.ndarray
    """[n] int64: row i has column columns[i], every column once."""
    prices: np.ndarray
    """[n] float64: at these every row has a column it wants most. A constant may be added."""
    value: float
    """Sum of the similarity over the pairs, in float64."""
    gap: float
    """No assignment is worth more than value + gap, whatever the rounding of the prices."""
