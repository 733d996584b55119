"""Judging a candidate on validation rows: what fusions that choose are allowed to look at."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from hubmerge.data.batches import Batches, Inputs
from hubmerge.errors import RecipeError
from hubmerge.errors.wording import option
from hubmerge.evaluation.evaluate import outputs
from hubmerge.fuse._draws import drawing
from hubmerge.models.method_context import MethodContext
from hubmerge.models.outputs import Outputs
from hubmerge.symmetry.permutation import State

NOISE = 0.25
"""Deviation of the noise robust accuracy is measured under, in deviations of the batch's inputs."""

Finish = Callable[[State, Sequence[float]], Mapping[str, Tensor]]
"""What is done to a candidate before it is looked at: its repair."""

METRICS = ("loss", "accuracy", "robust-accuracy")


@dataclass(frozen=True)
class ValidationScorer:
    """Labelled validation rows, and a model to try states on.

    finish: repairs a candidate, given what each model weighs in it. seed: of the noise.
    """

    context: MethodContext
    finish: Finish
    seed: int = 0

    @property
    def rows(self) -> Batches:
        """The validation rows. Raises: RecipeError, if there are none."""
        rows = self.context.validation
        if not isinstance(rows, Batches) or not len(rows):
            raise RecipeError(
                "this fusion chooses on validation rows", found="none are left for it"
            )
        return rows

    def figures(self, metric: str, state: State, weights: Sequence[float]) -> tuple[float, float]:
        """What `metric` says of the candidate, and minus its loss: of both, more is better."""
        found = self.outputs(state, weights, noisy=metric == "robust-accuracy")
        loss = float(found.losses().mean())
        worth = -loss if np.isfinite(loss) else -np.inf
        if metric == "loss":
            return worth, worth
        return found.metric.value(), worth

    def loss(self, state: State, weights: Sequence[float]) -> float:
        """Mean cross-entropy of the candidate in nats; infinite where it is no number."""
        return -self.figures("loss", state, weights)[0]

    def outputs(self, state: State, weights: Sequence[float], *, noisy: bool = False) -> Outputs:
        """What the repaired candidate says of the rows, or of the rows with noise on them."""
        finished = self.finish(state, weights)
        self.context.scratch.load_state_dict(dict(finished))
        rows = perturbed(self.rows, self.seed) if noisy else self.rows
        return outputs(self.context.scratch.eval(), rows, self.context.workers, "judging")


def perturbed(rows: Batches, seed: int) -> Batches:
    """The same rows with Gaussian noise on every input that is a number with a fraction.

    The noise of a batch depends on its rows and `seed` alone.
    Raises: RecipeError, if none is, as of tokens.
    """
    first = rows[0].inputs
    if not any(value.is_floating_point() for value in first.values()):
        raise RecipeError(
            "robust accuracy is that under noise on the inputs",
            found=f"{', '.join(first)}: whole numbers, to which none can be added",
            hint=option("fuse_options.metric", "loss"),
            field="fuse_options",
        )

    def read(indices: Sequence[int]) -> Inputs:
        generator = drawing(f"{seed}:{tuple(indices)}")
        return {name: _noisy(value, generator) for name, value in rows.read(indices).items()}

    return replace(rows, read=read)


def _noisy(value: Tensor, generator: torch.Generator) -> Tensor:
    if not value.is_floating_point():
        return value
    noise = torch.randn(value.shape, generator=generator, dtype=value.dtype)
    return value + NOISE * value.std() * noise
