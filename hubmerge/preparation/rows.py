"""Which row of a parent's tables stands for which token of the merge."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

Vocabulary = Mapping[str, int]
"""Token -> its number."""

ABSENT = -1


@dataclass(frozen=True)
class Fill:
    """What a row is made of that a model lacks: a row of one of the models; None for zeros.

    force: whether models that have a row of their own get it too.
    """

    model: int | None
    row: int = 0
    force: bool = False


@dataclass(frozen=True)
class Rows:
    """How the tables of all models become tables of one vocabulary.

    own: for each model, the number of its own row for every row of the merge, `ABSENT` where it has
    none; int64 [size]. fills: row of the merge -> what it is made of, where that was said. base:
    number of the common base among the models, whose rows others get that lack them.
    """

    own: tuple[Tensor, ...]
    fills: Mapping[int, Fill] = field(default_factory=dict)
    base: int | None = None

    @property
    def size(self) -> int:
        """Rows of the merge's tables."""
        return len(self.own[0])

    @property
    def same(self) -> bool:
        """Whether every model's tables stay as they are."""
        return not self.fills and all(
            torch.equal(each, torch.arange(self.size)) for each in self.own
        )

    def lacking(self) -> Tensor:
        """Numbers of the rows that a model lacks, or is to be given another for, sorted."""
        lacks = torch.zeros(self.size, dtype=torch.bool)
        for each in self.own:
            lacks |= each == ABSENT
        lacks[[row for row, fill in self.fills.items() if fill.force]] = True
        return lacks.nonzero().flatten()


def aligned_rows(
    vocabularies: Sequence[Vocabulary],
    sizes: Sequence[int],
    wanted: Vocabulary,
    size: int,
    fills: Mapping[int, Fill] | None = None,
    base: int | None = None,
) -> Rows:
    """Rows by the token they stand for.

    sizes: rows of each model's tables; tokens with higher numbers have none. wanted: the merge's
    vocabulary, in tables of `size` rows. Rows that stand for no token, as those that pad a table,
    correspond to rows of the same number that stand for none.
    """
    named = {number: token for token, number in wanted.items()}
    found = []
    for vocabulary, rows in zip(vocabularies, sizes, strict=True):
        taken = set(vocabulary.values())

        def row_of(number: int, own: Vocabulary = vocabulary, used: set[int] = taken) -> int:
            if number in named:
                return own.get(named[number], ABSENT)
            return ABSENT if number in used else number

        numbers = [row_of(number) for number in range(size)]
        found.append(torch.tensor([n if n < rows else ABSENT for n in numbers]))
    return Rows(tuple(found), fills or {}, base)
