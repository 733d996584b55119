"""States that hold no tensors: each is made when it is asked for, from disk or by a permutation."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence

from torch import Tensor

from hubmerge.specs.spec import Spec
from hubmerge.symmetry.permutation import Permutation, permute_tensor


class OnDemand(Mapping[str, Tensor]):
    """A state whose tensors `make` makes of their names, at every access."""

    def __init__(self, names: Sequence[str], make: Callable[[str], Tensor]) -> None:
        self._names, self._make = dict.fromkeys(names), make

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
