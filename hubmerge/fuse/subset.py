"""Merging a part of a model only: which tensors are merged, and which stay the first parent's."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from torch import Tensor

from hubmerge.errors import RecipeError
from hubmerge.errors.wording import option
from hubmerge.symmetry.permutation import State


@dataclass(frozen=True)
class Subset:
    """only: beginnings of names of what alone is merged (all, if there are none). keep: of what
    is not. Beginnings end where a name has a dot: `layers.1` is no beginning of `layers.10.bias`.
    """

    only: tuple[str, ...] = ()
    keep: tuple[str, ...] = ()

    @property
    def whole(self) -> bool:
        """Whether everything is merged."""
        return not self.only and not self.keep

    def merges(self, name: str) -> bool:
        """Whether the tensor of that name is merged."""
        wanted = not self.only or any(_begins(name, each) for each in self.only)
        return wanted and not any(_begins(name, each) for each in self.keep)

    def of(self, merged: State, first: State) -> dict[str, Tensor]:
        """`merged` where it is to be, `first` elsewhere."""
        return {name: value if self.merges(name) else first[name] for name, value in merged.items()}

    def check(self, names: Iterable[str]) -> None:
        """Raises: RecipeError, if a beginning fits none of `names`, or nothing is left to merge."""
        known = list(names)
        for field, given in (("only", self.only), ("keep", self.keep)):
            for each in given:
                if not any(_begins(name, each) for name in known):
                    raise RecipeError(
                        f"{option(field, each)}: no tensor has a name that begins so",
                        found=f"names begin with: {', '.join(_beginnings(known, each))}",
                        field=field,
                    )
        if not any(self.merges(name) for name in known):
            raise RecipeError("nothing is left to merge", found=f"{self.description}")

    @property
    def description(self) -> str:
        """In words."""
        said = [f"only {', '.join(self.only)}"] if self.only else []
        return "; ".join([*said, *([f"{', '.join(self.keep)} kept from A"] if self.keep else [])])


WHOLE = Subset()


def _begins(name: str, beginning: str) -> bool:
    return name == beginning or name.startswith(beginning.rstrip(".") + ".")


def _beginnings(names: Sequence[str], near: str) -> list[str]:
    """What names begin with, one dot further than what of `near` there is."""
    depth = 1
    while any(_begins(name, ".".join(near.split(".")[:depth])) for name in names):
        depth += 1
    return sorted(
        {".".join(name.split(".")[:depth]) for name in names if _shares(name, near, depth)}
    )


def _shares(name: str, near: str, depth: int) -> bool:
    return name.split(".")[: depth - 1] == near.split(".")[: depth - 1]
