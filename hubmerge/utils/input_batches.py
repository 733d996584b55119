"""What matchers and repairs need of a data set: batches of model inputs, and nothing else."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import accumulate
from typing import Protocol

from torch import Tensor


class InputBatch(Protocol):
    """Some rows as a model takes them."""

    @property
    def inputs(self) -> Mapping[str, Tensor]: ...

    def __len__(self) -> int: ...


class InputBatches(Protocol):
    """Batches with fixed boundaries, made when asked for."""

    def __len__(self) -> int: ...

    def __getitem__(self, number: int, /) -> InputBatch: ...


def is_labelled(batches: InputBatches) -> bool:
    """Whether what is right is known of every row."""
    return getattr(batches, "labels", None) is not None


def first_rows(batches: InputBatches) -> list[int]:
    """The number of the first row of every batch, where rows are counted through all of them."""
    sizes = getattr(batches, "sizes", None) or [len(batches[n]) for n in range(len(batches))]
    return [0, *accumulate(sizes)][:-1]


class NoBatches:
    """Where no calibration data was given."""

    def __len__(self) -> int:
        return 0

    def __getitem__(self, number: int, /) -> InputBatch:
        raise IndexError(number)
