"""Merging a part of a model only: which tensors are merged, and which stay the first parent's."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from torch import Tensor, nn

from hubmerge.errors import RecipeError
from hubmerge.errors.wording import option
from hubmerge.symmetry.permutation import State
from hubmerge.utils.suggestions import did_you_mean

LONGEST = 200
"""Characters of a name that are compared with the names of tensors."""
SHOWN = 20
"""Beginnings that an error lists."""


@dataclass(frozen=True)
class Subset:
    """only: beginnings of names of what alone is merged (all, if there are none). keep: of what
    is not. Beginnings end where a name has a dot: `layers.1` is no beginning of `layers.10.bias`.
    ties: names of one and the same tensor, which is kept if one of its names is.
    """

    only: tuple[str, ...] = ()
    keep: tuple[str, ...] = ()
    ties: tuple[tuple[str, ...], ...] = ()

    @property
    def whole(self) -> bool:
        """Whether everything is merged."""
        return not self.only and not self.keep

    def merges(self, name: str) -> bool:
        """Whether the tensor of that name is merged."""
        names = next((tied for tied in self.ties if name in tied), (name,))
        wanted = not self.only or any(_begins(n, each) for each in self.only for n in names)
        return wanted and not any(_begins(n, each) for each in self.keep for n in names)

    def of_model(self, model: nn.Module) -> Subset:
        """The same for a model, in which a tensor may have several names."""
        return self if self.whole else replace(self, ties=tied_names(model))

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
                        hint=did_you_mean(each[:LONGEST], _all_beginnings(known)),
                        field=field,
                    )
        if not any(self.merges(name) for name in known):
            raise RecipeError("nothing is left to merge", found=f"{self.description}")

    @property
    def description(self) -> str:
        """In words."""
        said = [f"only {', '.join(self.only)}"] if self.only else []
        said += [f"{', '.join(self.keep)} kept from A"] if self.keep else []
        for tied in self.ties:
            own = [n for n in tied if any(_begins(n, each) for each in (*self.only, *self.keep))]
            others = [name for name in tied if name not in own]
            if own and others:
                said.append(f"{', '.join(others)} is the same tensor as {own[0]}")
        return "; ".join(said)


WHOLE = Subset()


def tied_names(model: nn.Module) -> tuple[tuple[str, ...], ...]:
    """The names of every parameter that has several in a model; it may have no values."""
    groups: dict[int, list[str]] = {}
    for name, value in model.named_parameters(remove_duplicate=False):
        groups.setdefault(id(value), []).append(name)
    return tuple(tuple(names) for names in groups.values() if len(names) > 1)


def _begins(name: str, beginning: str) -> bool:
    return name == beginning or name.startswith(beginning.rstrip(".") + ".")


def _beginnings(names: Sequence[str], near: str) -> list[str]:
    """What names begin with, one dot further than what of `near` there is."""
    depth = 1
    while any(_begins(name, ".".join(near.split(".")[:depth])) for name in names):
        depth += 1
    found = {".".join(name.split(".")[:depth]) for name in names if _shares(name, near, depth)}
    listed, more = sorted(found)[:SHOWN], len(found) - SHOWN
    return [*listed, *([f"and {more} more"] if more > 0 else [])]


def _all_beginnings(names: Iterable[str]) -> set[str]:
    """Whatever `only` and `keep` may name."""
    parts = (name.split(".") for name in names)
    return {".".join(each[:depth]) for each in parts for depth in range(1, len(each) + 1)}


def _shares(name: str, near: str, depth: int) -> bool:
    return name.split(".")[: depth - 1] == near.split(".")[: depth - 1]
