"""The path between parents: fused and repaired points, ready to be run or saved."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor
from transformers import PreTrainedModel

from hubmerge.data.batches import Batches
from hubmerge.fuse import Fused, Fusion, Given, find_fusion
from hubmerge.fuse.laws import ENDS
from hubmerge.fuse.subset import WHOLE, Subset
from hubmerge.models.lookup import looking_up
from hubmerge.models.method_context import MethodContext
from hubmerge.models.states import further_names
from hubmerge.repair import Repair, Repairer
from hubmerge.streaming.fuse import PIECE
from hubmerge.symmetry.on_demand import OnDemand
from hubmerge.symmetry.permutation import State

ROUNDING = 1e-6
"""Share of a tensor's largest entry up to which parents agree in it."""

POINT_ROWS = 500
"""Calibration rows that a point of a path is repaired on, where the merge itself takes more."""

LINEAR = "average"
"""The fusion whose points are the path, whatever else makes the merge."""


class MergePath:
    """(1 - lambda) first + lambda last, repaired in between; parents are left as they are.

    parents: aligned states. weights: of more than two, what each weighs at lambda = 1: the path
    leads from the first parent to that point of the simplex between them all.
    All points share one scratch model: a point is run before the next one is asked for.
    """

    def __init__(
        self,
        repair: Repair | None,
        context: MethodContext,
        parents: Sequence[State],
        weights: Sequence[float] | None = None,
    ) -> None:
        self._repair, self._bench = repair, context
        self._parents, self._weights = parents, weights
        self._repairer: Repairer | None = None

    def weights(self, lam: float) -> list[float]:
        """What every parent weighs at the point."""
        first, *others = self._weights or [0.0, 1.0]
        return [1 - lam + lam * first, *(lam * weight for weight in others)]

    def state(self, lam: float) -> dict[str, Tensor]:
        """The point's tensors."""
        return self.fused(find_fusion(LINEAR), lam).state

    def fused(
        self, fusion: Fusion, lam: float, given: Given | None = None, part: Subset = WHOLE
    ) -> Fused:
        """What `fusion` makes of the parents: a point of the path only if it is linear and whole.

        given: its options and the base. part: what of it is taken, the rest being the first
        parent's. Nothing is repaired after a fusion that measures statistics of its own.
        """

        def finish(state: State, weights: Sequence[float]) -> dict[str, Tensor]:
            taken = part.of(state, self._parents[0])
            is_parent = 1.0 in weights and part.whole
            return taken if is_parent else self._finished(taken, weights)

        part = part.of_model(self._bench.scratch)
        weights = self.weights(lam)
        given = replace(given or Given(), finish=finish)
        made = fusion.make(self._parents, weights, self._bench, given)
        if fusion.sets_statistics:
            return replace(made, state=part.of(made.state, self._parents[0]))
        if made.weights is not None or ENDS in fusion.laws:
            return replace(made, state=finish(made.state, made.weights or weights))
        taken = part.of(made.state, self._parents[0])
        return replace(made, state=self._finished(taken, weights))

    def model(self, lam: float) -> PreTrainedModel:
        """The point as a model, valid until the next point is asked for."""
        return self.holding(self.state(lam) if self._repair else self._on_demand(lam))

    def _on_demand(self, lam: float) -> OnDemand:
        """The tensors of a point that is not repaired, each made when it is asked for."""
        fusion, weights = find_fusion(LINEAR), self.weights(lam)
        scratch = self._bench.scratch.state_dict()
        shapes = {name: value.shape for name, value in scratch.items()}
        dtypes = {name: value.dtype for name, value in scratch.items()}

        def mean(name: str, parts: Sequence[Tensor]) -> Tensor:
            one = [{name: part} for part in parts]
            return fusion.of_one_tensor(one, weights, Given()).state[name]

        def make(name: str) -> Tensor:
            on_disk = [parent for parent in self._parents if isinstance(parent, OnDemand)]
            if len(on_disk) < len(self._parents) or not all(each.in_parts for each in on_disk):
                return mean(name, [parent[name] for parent in self._parents])
            made = torch.empty(shapes[name], dtype=dtypes[name]).flatten()
            for start in range(0, len(made), PIECE):
                size = min(PIECE, len(made) - start)
                parts = [parent.part(name, start, size) for parent in on_disk]
                made[start : start + size] = mean(name, parts)
            return made.view(shapes[name])

        return OnDemand([*shapes], make)

    def on_fewer_rows(self) -> MergePath:
        """The same path, each point of it repaired on at most `POINT_ROWS` of the rows."""
        rows = self._bench.batches
        if not isinstance(rows, Batches) or rows.rows <= POINT_ROWS:
            return self
        bench = replace(self._bench, batches=rows.first(POINT_ROWS))
        return MergePath(self._repair, bench, self._parents, self._weights)

    @property
    def ends(self) -> list[State]:
        """The aligned parents it lies between."""
        return [*self._parents]

    def holding(self, state: State) -> PreTrainedModel:
        """The scratch model with these tensors, valid until the next one is asked for."""
        scratch = self._bench.scratch
        if scratch.device.type == "meta":
            return looking_up(scratch, state)
        again = further_names(scratch)
        for name, value in scratch.state_dict().items():
            if name not in again:
                value.copy_(state[name])
        return scratch.eval()

    def _agreed(self, state: State, weights: Sequence[float]) -> bool:
        """Whether `state` is what all parents that count are, up to rounding: nothing is spoiled.

        What is measured on a few rows is no better for such a model than what it was trained with.
        """
        own = [each for each, weight in zip(self._parents, weights, strict=True) if weight]
        return all(
            _is_rounding(value, each[name])
            for name, value in state.items()
            if value.is_floating_point()
            for each in own
        )

    def _finished(self, state: State, weights: Sequence[float]) -> dict[str, Tensor]:
        """`state` repaired, in which every parent weighs so much."""
        if self._repair is None or self._agreed(state, weights):
            return dict(state)
        if self._repairer is None:
            self._repairer = self._repair.function(self._bench, self._parents)
        return self._repairer(state, weights)


def _is_rounding(value: Tensor, other: Tensor) -> bool:
    """Whether two tensors differ by no more than rounding."""
    if not value.numel():
        return True
    return bool((value - other).abs().max() <= ROUNDING * other.abs().max())
