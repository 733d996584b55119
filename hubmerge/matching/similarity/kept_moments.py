"""Moments of many places, of which only those in use need be in memory."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from torch import Tensor

from hubmerge.matching.similarity.joint import Joint
from hubmerge.matching.similarity.shelf import Shelf
from hubmerge.specs.spec import ObservedModule


class KeptMoments(Mapping[ObservedModule, Joint]):
    """Place -> what was seen there, in a temporary file that is removed with it.

    found: what was seen, a place after the other; each may be given up when the next is asked for.
    """

    def __init__(self, found: Iterable[tuple[ObservedModule, Joint]]) -> None:
        self._shelf = Shelf(on_disk=True)
        self._order: list[ObservedModule] = []
        for watch, joint in found:
            self._shelf[len(self._order)] = _tensors(joint)
            self._order.append(watch)
        self._numbers = {watch: number for number, watch in enumerate(self._order)}

    def __getitem__(self, watch: ObservedModule) -> Joint:
        return _joint(self._shelf[self._numbers[watch]])

    def __iter__(self) -> Iterator[ObservedModule]:
        return iter(self._order)

    def __len__(self) -> int:
        return len(self._order)


def _tensors(joint: Joint) -> dict[str, Tensor]:
    pairs = {"means": joint.means, "deviations": joint.deviations, "own": joint.own}
    found = {
        f"{name}{side}": value
        for name, pair in pairs.items()
        for side, value in enumerate(pair or ())
    }
    found["covariance"] = joint.covariance
    if joint.information is not None:
        found["information"] = joint.information
    return found


def _joint(tensors: Mapping[str, Tensor]) -> Joint:
    own = (tensors["own0"], tensors["own1"]) if "own0" in tensors else None
    return Joint(
        tensors["covariance"],
        (tensors["means0"], tensors["means1"]),
        (tensors["deviations0"], tensors["deviations1"]),
        own,
        tensors.get("information"),
    )
