"""What the tensors of a merge are stored as, and in which files."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from typing import Self

import torch

from hubmerge.recipe import bytes_of
from hubmerge.streaming import Shards
from hubmerge.streaming.shards import Slot


@dataclass(frozen=True)
class StoredAs:
    """What a recipe asks for. dtype: of floating-point tensors. most: bytes of a file."""

    dtype: torch.dtype | None = None
    most: int | None = None

    @classmethod
    def of(cls, dtype: str | None, max_shard_size: str | None) -> Self:
        """What a recipe asks for by these fields of it."""
        return cls(
            None if dtype is None else getattr(torch, dtype),
            None if max_shard_size is None else bytes_of(max_shard_size),
        )

    def main_dtype(self, parents: Iterable[torch.dtype]) -> torch.dtype:
        """What most of the merge is stored in: what was asked for, else the parents' widest."""
        return self.dtype or reduce(torch.promote_types, parents)

    def shards(self, slots: Sequence[Slot], file_of: Mapping[str, str]) -> Shards:
        """Which tensor lies in which file: as in `file_of`, unless files may have so many bytes."""
        if self.most is None:
            return Shards.as_in(file_of, slots)
        return Shards.of_size(slots, self.most)


AS_PARENTS = StoredAs()
"""As the parents store it, in A's files."""
