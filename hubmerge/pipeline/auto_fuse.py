"""Fusion by `auto`: what the given data allow is tried, and the best on validation rows is kept."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

from hubmerge.data.batches import Batches
from hubmerge.evaluation.results import Score
from hubmerge.evaluation.score import score
from hubmerge.fuse import Fused, Fusion
from hubmerge.models.outputs import Outputs
from hubmerge.pipeline.methods import has_rows_for
from hubmerge.utils.input_batches import InputBatches
from hubmerge.utils.progress import track


@dataclass(frozen=True)
class FusionTrial:
    """What a fusion made, and what that is worth on validation rows, calibrated where it can be.

    seconds: that it took.
    """

    fusion: Fusion
    score: Score
    seconds: float = 0.0
    chosen: bool = False

    @property
    def loss(self) -> float:
        """In nats."""
        return self.score.judged_loss


def candidates(
    fusions: Sequence[Fusion],
    statistics: InputBatches,
    validation: InputBatches,
    *,
    one_of_n: bool = True,
) -> list[Fusion]:
    """Those of `fusions` for which there are rows, and outputs of the kind they read.

    one_of_n: whether outputs are a distribution of which one class is right.

    The cheapest come first, so that of equal ones the cheaper wins.
    """
    found = [
        fusion
        for fusion in fusions
        if (one_of_n or not fusion.one_of_n) and has_rows_for(fusion, statistics, validation)
    ]
    return sorted(found, key=lambda fusion: fusion.cost)


def best_fusion(
    tried: Sequence[Fusion],
    make: Callable[[Fusion], Fused],
    run: Callable[[Fused, str], Outputs],
    statistics: InputBatches,
    validation: Batches | None,
    *,
    one_of_n: bool = True,
) -> tuple[Fusion, Fused, tuple[FusionTrial, ...]]:
    """The one of the `tried` fusions whose merge has the least calibrated loss, what it made, and
    all trials.

    make: fuses and repairs. run: the outputs of what was made on validation rows that no fusion
    chose on, under a name. With fewer than two the first is taken and nothing is tried; the
    earlier one wins ties.
    """
    if validation is None or validation.rows < 2:
        return tried[0], make(tried[0]), ()
    trials: list[FusionTrial] = []
    best: Fused | None = None
    for fusion in track_each(candidates(tried, statistics, validation, one_of_n=one_of_n)):
        start = time.monotonic()
        made = make(fusion)
        seconds = time.monotonic() - start
        given = run(made, f"trying {fusion.name}")
        trial = FusionTrial(fusion, score(given, given), seconds)
        if best is None or trial.loss < min(each.loss for each in trials):
            best = made
        trials.append(trial)
    assert best is not None
    winner = min(trials, key=lambda each: each.loss)
    found = tuple(replace(each, chosen=each is winner) for each in trials)
    return winner.fusion, best, found


def track_each(fusions: list[Fusion]) -> Iterator[Fusion]:
    """One after the other, under a bar."""
    with track(len(fusions), "fusing in several ways") as bar:
        for fusion in fusions:
            yield fusion
            bar.update(1)
