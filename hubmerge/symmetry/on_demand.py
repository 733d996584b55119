"""States that hold no tensors: each is made when it is asked for, from disk or by a permutation."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence

from torch import Tensor

from hubmerge.specs.spec import Spec
from hubmerge.symmetry.permutation import Permutation, permute_tensor

Part = Callable[[str, int, int], Tensor]
"""Name, first element and number of elements of a tensor taken as flat -> these, [elements]."""


class OnDemand(Mapping[str, Tensor]):
    """A state whose tensors `make` makes of their names, at every access.

    part: makes a part of one; None where that takes all of it.
    """

    def __init__(
        self, names: Sequence[str], make: Callable[[str], Tensor], part: Part | None = None
    ) -> None:
        self._names, self._make, self._part = dict.fromkeys(names), make, part

    @property
    def in_parts(self) -> bool:
        """Whether a part of a tensor takes less than all of it."""
        return self._part is not None

    def part(self, name: str, start: int, size: int) -> Tensor:
        """As many elements of a tensor taken as flat, from element `start` on: [size]."""
        if self._part is not None:
            return self._part(name, start, size)
        return self[name].flatten()[start : start + size]

    def __getitem__(self, name: str) -> Tensor:
        if name not in self._names:
            raise KeyError(name)
        return self._make(name)

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)

    def __contains__(self, name: object) -> bool:
        return name in self._names


def permuted_on_demand(spec: Spec, state: OnDemand, permutation: Permutation) -> OnDemand:
    """`state` with every tensor's axes reordered as it is asked for."""

    def make(name: str) -> Tensor:
        layout = spec.tensors.get(name)
        if layout is None:
            return state[name]
        return permute_tensor(spec, state[name], layout, permutation)

    return OnDemand([*state], make)
