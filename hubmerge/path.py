"""The path between parents: fused and repaired points, ready to be run or saved."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor
from transformers import PreTrainedModel

from hubmerge.bench import Bench
from hubmerge.fuse import Fusion, find_fusion
from hubmerge.repair import Repair, Repairer
from hubmerge.spec.permutation import State

LINEAR = "average"
"""The fusion whose points are the path, whatever else makes the merge."""


class Path:
    """(1 - lambda) first + lambda last, repaired in between; parents are left as they are.

    parents: aligned states. weights: of more than two, what each weighs at lambda = 1: the path
    leads from the first parent to that point of the simplex between them all.
    All points share one scratch model: a point is run before the next one is asked for.
    """

    def __init__(
        self,
        repair: Repair | None,
        bench: Bench,
        parents: Sequence[State],
        weights: Sequence[float] | None = None,
    ) -> None:
        self._repair, self._bench = repair, bench
        self._parents, self._weights = parents, weights
        self._repairer: Repairer | None = None

    def weights(self, lam: float) -> list[float]:
        """What every parent weighs at the point."""
        first, *others = self._weights or [0.0, 1.0]
        return [1 - lam + lam * first, *(lam * weight for weight in others)]

    def state(self, lam: float) -> dict[str, Tensor]:
        """The point's tensors."""
        return self._repaired(find_fusion(LINEAR), lam)

    def fused(self, fusion: Fusion, lam: float) -> dict[str, Tensor]:
        """The tensors `fusion` makes of the parents: a point of the path only if it is linear.

        A fusion that looks at data sets its own statistics, and nothing is repaired after it.
        """
        if fusion.needs_data:
            return fusion.fuse(self._parents, self.weights(lam), self._bench)
        return self._repaired(fusion, lam)

    def model(self, lam: float) -> PreTrainedModel:
        """The point as a model, valid until the next point is asked for."""
        self._bench.scratch.load_state_dict(self.state(lam))
        return self._bench.scratch.eval()

    def _repaired(self, fusion: Fusion, lam: float) -> dict[str, Tensor]:
        weights = self.weights(lam)
        state = fusion.fuse(self._parents, weights, self._bench)
        if self._repair is None or 1.0 in weights:
            return state
        if self._repairer is None:
            self._repairer = self._repair.function(self._bench, self._parents)
        return self._repairer(state, weights)
