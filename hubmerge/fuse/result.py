"""What a fusion makes: tensors, and what it decided on the way."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor


@dataclass(frozen=True)
class Step:
    """One ingredient of a soup that was tried.

    ingredient: number of the model. alone: its own figure. soup: that of the soup with it in, None
    where none was made. taken: whether it stayed in.
    """

    ingredient: int
    alone: float
    soup: float | None
    taken: bool


@dataclass(frozen=True)
class Soup:
    """Which ingredient came in at which step, by which figure on validation rows."""

    metric: str
    steps: tuple[Step, ...]


@dataclass(frozen=True)
class Fused:
    """A state, and where the fusion chose for itself, what each model weighs in it and why.

    weights: None where the fusion took those it was given, or where there is no such number. kept:
    names of tensors that the fusion leaves as the first model has them, whatever others have.
    """

    state: dict[str, Tensor]
    weights: tuple[float, ...] | None = None
    soup: Soup | None = None
    kept: frozenset[str] = frozenset()
