"""How far figures of a model move where its weights are off by some last places.

Another machine takes the sums of a forward in another order, which moves answers no further than
weights do that are off by their last places. What a figure was not moved by in several draws of
them, rounding does not move: least of all a share of rows, none of which lies on a boundary.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

import numpy as np
import torch
from transformers import PreTrainedModel

from hubmerge.models.outputs import Outputs
from hubmerge.verification.rounding import LAST_PLACE

PLACES = 64
"""Last places of a weight that a draw moves it by, as a standard deviation. A forward of float32
rounds by fewer."""
DRAWS = 4
MARGIN = 8.0
"""Times the farthest of the draws that a figure may be off."""
LEAST = 1e-6
"""What any may be, in units of itself or of 1: the last places of the figure's own sums."""


def sensitivity(
    model: PreTrainedModel,
    measured: Callable[[], tuple[Outputs, Mapping[str, float]]],
    found: tuple[Outputs, Mapping[str, float]],
    shares: Callable[[str], bool],
) -> dict[str, float]:
    """Name of a figure -> how far another machine's rounding may move it.

    Parameters:
        measured: what the model says of the rows, and its figures by name; called once per draw.
        found: the same of the model as it is.
        shares: whether a figure, by its name, is a share of rows.
    """
    answers, figures = found
    rows = np.zeros(len(answers), bool)
    farthest = dict.fromkeys(figures, 0.0)
    for seed in range(DRAWS):
        with _moved(model, seed):
            others, moved = measured()
        rows |= _decided_otherwise(answers, others)
        for name, value in figures.items():
            farthest[name] = max(farthest[name], abs(moved.get(name, np.inf) - value))
    most = float(rows.mean())
    return {
        name: MARGIN * far + (most if shares(name) else LEAST * max(abs(figures[name]), 1.0))
        for name, far in farthest.items()
    }


def _decided_otherwise(answers: Outputs, others: Outputs) -> np.ndarray:
    """Rows whose own score changed, bool [rows]; none where the score is no mean over rows."""
    before, after = answers.metric.rows, others.metric.rows
    if before is None or after is None:
        return np.zeros(len(answers), bool)
    return np.asarray(before) != np.asarray(after)


@contextmanager
def _moved(model: PreTrainedModel, seed: int) -> Iterator[None]:
    """Inside, every weight is off by some last places of its own; afterwards it is as it was."""
    draw = torch.Generator().manual_seed(seed)
    kept = [(value, value.detach().clone()) for value in model.parameters()]
    try:
        with torch.no_grad():
            for value, before in kept:
                if value.is_floating_point():
                    drawn = torch.randn(value.shape, generator=draw).to(value)
                    value.copy_(before * (1 + PLACES * LAST_PLACE * drawn))
        yield
    finally:
        with torch.no_grad():
            for value, before in kept:
                value.copy_(before)
