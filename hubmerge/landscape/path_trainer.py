"""Training the bends of a path on labelled rows, watched on validation rows.

What is kept is the best the path ever was on rows it does not learn from: where its highest place
is lowest. The straight line it begins as is a candidate like any other.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import islice

import torch
from torch import Tensor

from hubmerge.landscape.geometry.chain import Chain
from hubmerge.models.method_context import MethodContext
from hubmerge.symmetry.permutation import State
from hubmerge.training.adam import Adam
from hubmerge.training.augmentation import mixed as seed_of
from hubmerge.training.batch_sampler import BatchSampler, TrainingBatch
from hubmerge.training.midpoint_loss import Midpoint, Slope
from hubmerge.training.schedule import LRSchedule
from hubmerge.utils.progress import track

RATE = 0.1
"""How far one step moves a weight of a bend, in standard deviations of its tensor."""

CHECK = 50
"""Steps between two looks at the validation rows."""

PLACES = (0.2, 0.35, 0.5, 0.65, 0.8)
"""Where a path is looked at."""

Nudge = Callable[[Chain, Sequence[State], Sequence[float]], list[State]]
"""What the slopes at the bends, and the losses at all points, move the bends by."""
Settle = Callable[[Chain], Chain]
"""What is done to a path after a step."""


class PathTrainer:
    """Trains paths. Called by all processes alike; the same bits on any number."""

    def __init__(self, context: MethodContext, *, steps: int, seed: int = 0) -> None:
        """context: its batches must have labels, and so must those for validation.

        Raises: RecipeError, if there are no calibration or no validation rows.
        """
        self.steps, self.seed = steps, seed
        self._bench = context
        self._lessons = BatchSampler(context, None, seed)
        self._midpoint = Midpoint(context.scratch, context.workers)
        self._held_out = self._lessons.held_out()

    def anywhere(self, chain: Chain) -> Chain:
        """Trains at places drawn evenly from all of the path (arXiv:1802.10026, equation 2)."""

        def slopes(chain: Chain, step: int, lesson: TrainingBatch) -> tuple[list[State], float]:
            place = self._place(step)
            slope = self._slope(chain.state(place), lesson)
            shares = chain.shares(place, len(chain.points))[1:-1]
            pulls: list[State] = [
                {name: share * value for name, value in slope.gradient.items()} for share in shares
            ]
            return pulls, slope.loss

        return self._train(chain, slopes, lambda chain: chain)

    def at_every_bend(self, chain: Chain, nudge: Nudge, settle: Settle) -> Chain:
        """Trains every bend where it is: by what `nudge` makes of the slopes there."""
        ends = [self._loss(end) for end in (chain.points[0], chain.points[-1])]

        def slopes(chain: Chain, step: int, lesson: TrainingBatch) -> tuple[list[State], float]:
            found = [self._slope(bend, lesson) for bend in chain.bends]
            losses = [ends[0], *(slope.loss for slope in found), ends[1]]
            return nudge(chain, [slope.gradient for slope in found], losses), max(losses)

        return self._train(chain, slopes, settle)

    def worst(self, chain: Chain) -> float:
        """The highest loss of the path on validation rows, in nats."""
        return max(self._loss(chain.state(place)) for place in PLACES)

    def _train(
        self,
        chain: Chain,
        slopes: Callable[[Chain, int, TrainingBatch], tuple[list[State], float]],
        settle: Settle,
    ) -> Chain:
        with (
            self._bench.workers.single_threaded_ops(),
            track(self.steps, "bending the path", "step") as bar,
        ):
            best, least = chain, self.worst(chain)
            learned = self._learned(chain)
            free = _numbers(chain, learned)
            adam = Adam.at(free)
            rates = {key: RATE * _spread(value) for key, value in free.items()}
            sampler = islice(self._lessons.order(), self.steps)
            for step, lesson in enumerate(sampler):
                pulls, loss = slopes(chain, step, lesson)
                share = LRSchedule.over(self.steps).rate(step)
                gradient = _keyed(pulls, free)
                adam = adam.step(gradient, {key: share * value for key, value in rates.items()})
                chain = settle(chain.bent(_bends(chain, adam.parameters)))
                adam = Adam(_numbers(chain, learned), adam.first, adam.second, adam.steps)
                bar.update(1)
                if (step + 1) % CHECK == 0 or step + 1 == self.steps:
                    seen = self.worst(chain)
                    bar.note(f"loss {loss:.3f}, highest on validation rows {seen:.3f}")
                    if seen < least:
                        best, least = chain, seen
        return best

    def _place(self, step: int) -> float:
        generator = torch.Generator().manual_seed(seed_of(self.seed, step, 2))
        return float(torch.rand((), generator=generator))

    def _slope(self, state: State, lesson: TrainingBatch) -> Slope:
        inputs, wanted = self._lessons.inputs(lesson), self._lessons.wanted(lesson)
        return self._midpoint.slope(state, inputs, wanted)

    def _loss(self, state: State) -> float:
        return self._midpoint.loss(state, self._bench.validation, self._held_out)

    def _learned(self, chain: Chain) -> set[str]:
        """Names of what has a gradient: parameters, not statistics."""
        known = {name for name, _ in self._bench.scratch.named_parameters(remove_duplicate=False)}
        return {name for name in chain.points[0] if name in known}


def _numbers(chain: Chain, names: set[str]) -> dict[str, Tensor]:
    """The free numbers of all bends: "NUMBER NAME" -> tensor, for what is called in `names`."""
    return {
        f"{number} {name}": bend[name]
        for number, bend in enumerate(chain.bends)
        for name in sorted(names)
    }


def _bends(chain: Chain, numbers: dict[str, Tensor]) -> list[State]:
    bends = [dict(bend) for bend in chain.bends]
    for key, value in numbers.items():
        number, _, name = key.partition(" ")
        bends[int(number)][name] = value
    return list(bends)


def _keyed(pulls: Sequence[State], free: dict[str, Tensor]) -> dict[str, Tensor]:
    """Of every free number its slope; 0 where the loss does not depend on it."""
    found = {}
    for key, value in free.items():
        number, _, name = key.partition(" ")
        found[key] = pulls[int(number)].get(name, torch.zeros_like(value))
    return found


def _spread(value: Tensor) -> float:
    return float(value.std()) if value.numel() > 1 else 1.0
