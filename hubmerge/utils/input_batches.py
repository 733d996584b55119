"""What matchers and repairs need of a data set: batches of model inputs, and nothing else."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
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


def is_synthetic(batches: InputBatches) -> bool:
    """Whether the rows are made up, unlike those that models are for."""
    return getattr(batches, "synthetic", False)


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


class JoinedBatches:
    """The batches of several sources, one source after the other."""

    def __init__(self, sources: Sequence[InputBatches]) -> None:
        self._places = [(source, n) for source in sources for n in range(len(source))]
        self.source_of = [k for k, source in enumerate(sources) for _ in range(len(source))]
        """The number of the source of every batch."""

    def __len__(self) -> int:
        return len(self._places)

    def __getitem__(self, number: int, /) -> InputBatch:
        source, own = self._places[number]
        return source[own]
