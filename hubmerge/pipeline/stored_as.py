"""What the tensors of a merge are stored as, and in which files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from typing import Self

import torch

from hubmerge.hub.loaded_model import LoadedModel
from hubmerge.recipe import Recipe, bytes_of
from hubmerge.streaming import Shards
from hubmerge.streaming.shards import Slot


@dataclass(frozen=True)
class StoredAs:
    """What a recipe asks for. dtype: of floating-point tensors. most: bytes of a file."""

    dtype: torch.dtype | None = None
    most: int | None = None

    @classmethod
    def of(cls, recipe: Recipe) -> Self:
        """What that recipe asks for."""
        return cls(
            None if recipe.dtype is None else getattr(torch, recipe.dtype),
            None if recipe.max_shard_size is None else bytes_of(recipe.max_shard_size),
        )

    def shards(self, slots: Sequence[Slot], file_of: Mapping[str, str]) -> Shards:
        """Which tensor lies in which file: as in `file_of`, unless files may have so many bytes."""
        if self.most is None:
            return Shards.as_in(file_of, slots)
        return Shards.of_size(slots, self.most)


AS_PARENTS = StoredAs()
"""As the parents store it, in A's files."""


def merged_dtype(parents: Sequence[LoadedModel], wanted: StoredAs = AS_PARENTS) -> torch.dtype:
    """What most of the merge is stored in: what was asked for, else the parents' widest dtype."""
    return wanted.dtype or reduce(torch.promote_types, (parent.dtype for parent in parents))
