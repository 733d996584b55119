"""What the parents do on average at the places that are to be fitted.

What counts is what the layers behind a place are given. Before a ReLU that is not the mean of
what the parents have there: of two units of which only one fires, the mean may not fire at all,
and what the one had to say is lost. So the target is the value that the ReLU turns into the mean
of what the parents' ReLUs give, and where none of them fires, the mean.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager

import torch
from torch import Tensor, nn

from hubmerge.fuse.layerwise.observe import observing, run
from hubmerge.fuse.layerwise.trace import Stage, TracePoint
from hubmerge.models.method_context import MethodContext

KEPT_BYTES = 2**30
"""Targets that are kept at most (1 GiB), so that the parents run once for several stages."""


def windows(
    plan: Sequence[Stage], context: MethodContext, most: int | None = None
) -> list[list[Stage]]:
    """Consecutive stages whose targets, on all images together, fit into `KEPT_BYTES`.

    most: bytes of them, where there is room for less. Decides how often the parents run and nothing
    else. With very many images every stage stands alone, and nothing is kept.
    """
    most = KEPT_BYTES if most is None else min(KEPT_BYTES, most)
    images = len(context.batches) * len(context.batches[0])
    itemsize = next(context.scratch.parameters()).element_size()
    found: list[list[Stage]] = []
    room = 0
    for stage in plan:
        size = images * itemsize * sum(group.values for group in stage)
        if not found or size > room:
            found.append([])
            room = most
        found[-1].append(stage)
        room -= size
    return found


def heard_by(
    weights: Sequence[float], used: Sequence[int], context: MethodContext
) -> dict[str, Tensor]:
    """What each of the parents `used` weighs in outputs that only some of them know.

    Returns: the module of the head -> [parents, 1, outputs], each column summing to 1; what none of
    those used knows is as it is made up for all alike. Empty where all know all.
    """
    if context.head is None:
        return {}
    own = torch.tensor(weights, dtype=torch.float64).unsqueeze(1)
    known = own * context.head.known[list(used)]
    total = known.sum(0)
    shares = torch.where(total > 0, known / total.clamp_min(1e-300), own)
    return {context.head.module: shares.unsqueeze(1)}


class Targets:
    """What is to be reached at every place of a window, batch by batch."""

    def __init__(
        self,
        parents: Sequence[nn.Module],
        weights: Sequence[float],
        window: Sequence[Stage],
        context: MethodContext,
        heard: Mapping[str, Tensor] | None = None,
        owners: Sequence[int] | None = None,
    ) -> None:
        """heard: module -> what each parent weighs in each of its outputs, see `heard_by`.

        owners: of every batch, the parent whose task its rows are of, and whose value alone is the
        target on them; None where the rows are those of all.
        """
        self._heard, self._owners = heard or {}, owners
        self._parents, self._weights, self._bench = parents, weights, context
        groups = [group for stage in window for group in stage]
        self._places = [group.place for group in groups]
        self._rectified = {group.place: group.rectified for group in groups}
        self._kept: dict[int, dict[TracePoint, Tensor]] = {}
        self._keeps = len(window) > 1

    @contextmanager
    def watched(self) -> Iterator[Targets]:
        """Inside, `of` can be asked; afterwards nothing is kept."""
        with ExitStack() as stack:
            self._seen = [
                stack.enter_context(observing(parent, self._places)) for parent in self._parents
            ]
            yield self
        self._kept.clear()

    def of(self, number: int, inputs: dict[str, Tensor]) -> dict[TracePoint, Tensor]:
        """The means for batch `number`, whose inputs are given. Safe to call from any thread."""
        if number in self._kept:
            return self._kept[number]
        if self._owners is not None:
            owner = self._owners[number]
            mean = run(self._parents[owner], inputs, self._seen[owner])
        else:
            values = [
                run(parent, inputs, seen)
                for parent, seen in zip(self._parents, self._seen, strict=True)
            ]
            mean = {
                place: self._target(place, [each[place] for each in values])
                for place in self._places
            }
        if self._keeps:
            self._kept[number] = mean
        return mean

    def _target(self, place: TracePoint, values: Sequence[Tensor]) -> Tensor:
        if place.module in self._heard and not place.entering:
            heard = self._heard[place.module].to(values[0])
            changes = torch.stack([value - values[0] for value in values])
            return values[0] + changes.mul(heard).sum(0)
        mean = self._mean(values)
        if not self._rectified[place]:
            return mean
        fired = self._mean([value.relu() for value in values])
        silent = torch.stack([value <= 0 for value in values]).all(0)
        return torch.where(silent, mean, fired)

    def _mean(self, values: Sequence[Tensor]) -> Tensor:
        """Exactly what all parents have, where they agree: then there is nothing to change."""
        mean = values[0].clone()
        for weight, value in zip(self._weights[1:], values[1:], strict=True):
            mean += weight * (value - values[0])
        return mean
