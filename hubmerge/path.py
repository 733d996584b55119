"""The path between two parents: fused and repaired points, ready to be run or saved."""

from __future__ import annotations

from torch import Tensor
from transformers import PreTrainedModel

from hubmerge.bench import Bench
from hubmerge.fuse import Fusion, find_fusion
from hubmerge.repair import Repair, Repairer
from hubmerge.spec.permutation import State

LINEAR = "average"
"""The fusion whose points are the path, whatever else makes the merge."""


class Path:
    """(1 - lambda) first + lambda last, repaired in between; its ends are left as they are.

    All points share one scratch model: a point is run before the next one is asked for.
    """

    def __init__(self, repair: Repair | None, bench: Bench, first: State, last: State) -> None:
        self._repair, self._bench = repair, bench
        self._first, self._last = first, last
        self._repairer: Repairer | None = None

    def state(self, lam: float) -> dict[str, Tensor]:
        """The point's tensors."""
        return self._repaired(find_fusion(LINEAR), lam)

    def fused(self, fusion: Fusion, lam: float) -> dict[str, Tensor]:
        """The tensors `fusion` makes of the two ends: a point of the path only if it is linear.

        A fusion that looks at data sets its own statistics, and nothing is repaired after it.
        """
        if fusion.needs_data:
            return fusion.fuse([self._first, self._last], [1 - lam, lam], self._bench)
        return self._repaired(fusion, lam)

    def model(self, lam: float) -> PreTrainedModel:
        """The point as a model, valid until the next point is asked for."""
        self._bench.scratch.load_state_dict(self.state(lam))
        return self._bench.scratch.eval()

    def _repaired(self, fusion: Fusion, lam: float) -> dict[str, Tensor]:
        state = fusion.fuse([self._first, self._last], [1 - lam, lam], self._bench)
        if self._repair is None or lam in (0.0, 1.0):
            return state
        if self._repairer is None:
            self._repairer = self._repair.function(self._bench, self._first, self._last)
        return self._repairer(state, lam)
