"""What the tensors of a merge are stored as."""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce

import torch

from hubmerge.hub.loaded_model import LoadedModel


def asked_dtype(name: str | None) -> torch.dtype | None:
    """torch's dtype of that name, which a recipe asks for; None where it asks for none."""
    found: torch.dtype | None = None if name is None else getattr(torch, name)
    return found


def merged_dtype(parents: Sequence[LoadedModel], asked: str | None = None) -> torch.dtype:
    """What most of the merge is stored in: what was asked for, else the parents' widest dtype."""
    widest = reduce(torch.promote_types, (parent.dtype for parent in parents))
    return asked_dtype(asked) or widest
