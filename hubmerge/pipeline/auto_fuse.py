"""Fusion by `auto`: what the given data allow is tried, and the best on validation rows is kept."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

from hubmerge.data.batches import Batches
from hubmerge.evaluation.results import Score
from hubmerge.evaluation.score import score
from hubmerge.fuse import Fused, Fusion, fusions
from hubmerge.models.outputs import Outputs
from hubmerge.pipeline.merge_path import LINEAR
from hubmerge.pipeline.methods import has_rows_for, is_training_run
from hubmerge.recipe import MIDDLE, PASSTHROUGH, Recipe
from hubmerge.utils.input_batches import InputBatches
from hubmerge.utils.progress import track


@dataclass(frozen=True)
class FusionTrial:
    """What a fusion made, and what that is worth on validation rows, calibrated where it can be."""

    fusion: Fusion
    score: Score
    chosen: bool = False

    @property
    def loss(self) -> float:
        """In nats."""
        fitted = self.score.calibrated_loss
        loss = self.score.loss if fitted is None else fitted
        return loss if math.isfinite(loss) else math.inf


def candidates(
    recipe: Recipe,
    statistics: InputBatches,
    validation: InputBatches,
    *,
    one_of_n: bool = True,
) -> list[Fusion]:
    """What to try: everything that neither a missing base, missing rows nor given weights forbid.

    one_of_n: whether outputs are a distribution of which one class is right.

    The cheapest come first, so that of equal ones the cheaper wins.
    Fusions of one run's checkpoints are left out where the models are no such thing, and always
    those that draw at random: which of several draws is best says little about the fusion.
    """

    def fits(fusion: Fusion) -> bool:
        weighed = recipe.lam != MIDDLE or bool(recipe.weights)
        return (
            (not fusion.of_a_run or is_training_run(recipe.models))
            and not fusion.random
            and fusion.name != PASSTHROUGH
            and (not fusion.pair or len(recipe.models) == 2)
            and not (fusion.needs_base and recipe.base is None)
            and (fusion.weighs or not weighed)
            and (one_of_n or not fusion.one_of_n)
            and has_rows_for(fusion, statistics, validation)
        )

    found = [fusion for fusion in fusions().values() if fits(fusion)]
    return sorted(found, key=lambda fusion: fusion.cost)


def best_fusion(
    recipe: Recipe,
    make: Callable[[Fusion], Fused],
    run: Callable[[Fused, str], Outputs],
    statistics: InputBatches,
    validation: Batches | None,
    *,
    one_of_n: bool = True,
) -> tuple[Fusion, Fused, tuple[FusionTrial, ...]]:
    """The fusion whose merge has the least calibrated loss, what it made, and all trials.

    make: fuses and repairs. run: the outputs of what was made on the second half of the validation
    rows, under a name. With fewer than two the average is taken and nothing is tried; the earlier
    one wins ties.
    """
    if validation is None or validation.rows < 2:
        plain = fusions()[LINEAR]
        return plain, make(plain), ()
    tried: list[FusionTrial] = []
    best: Fused | None = None
    for fusion in track_each(candidates(recipe, statistics, validation, one_of_n=one_of_n)):
        made = make(fusion)
        given = run(made, f"trying {fusion.name}")
        trial = FusionTrial(fusion, score(given, given))
        if best is None or trial.loss < min(each.loss for each in tried):
            best = made
        tried.append(trial)
    assert best is not None
    winner = min(tried, key=lambda each: each.loss)
    trials = tuple(replace(each, chosen=each is winner) for each in tried)
    return winner.fusion, best, trials


def track_each(fusions: list[Fusion]) -> Iterator[Fusion]:
    """One after the other, under a bar."""
    with track(len(fusions), "fusing in several ways") as bar:
        for fusion in fusions:
            yield fusion
            bar.update(1)
