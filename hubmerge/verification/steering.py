"""Whether a small difference in weights moves answers further than the same with random signs.

Rounding does not know the model: what is left of it after fitting lies where answers hardly depend
on it, and moves them less than differences of the same sizes with random signs. A difference that
was chosen along a gradient moves them many times as far: all of its elements pull one way. Measured
on the demo's ViTs (docs/verify.md): another machine's arithmetic 0.01 to 0.1 of random signs, a
gradient of the same size 15 to 100 times as much.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor
from transformers import PreTrainedModel

from hubmerge.hub.fetch import fetch
from hubmerge.hub.loaded_model import LoadedModel
from hubmerge.hub.source import resolve
from hubmerge.pipeline.open_data import open_splits
from hubmerge.recipe import Recipe
from hubmerge.symmetry.answers import answers
from hubmerge.symmetry.permutation import State
from hubmerge.tasks import probe_for
from hubmerge.verification.download import Merge
from hubmerge.verification.result import Check, Outcome

ROWS = 50
"""Rows whose answers are looked at, or so many made up where there is no data."""
DRAWS = 6
"""Draws of random signs; the largest effect of them counts."""
MOST = 3.0
"""Times that effect beyond which nothing is chance."""


def check_steering(
    published: PreTrainedModel, remade: PreTrainedModel, inputs: Mapping[str, Tensor]
) -> list[Check]:
    """Whether the published weights lean, judged by the answers to `inputs`; none if all are equal.

    Works in float64, on copies of the models.
    """
    model = remade.double()
    found = {name: value.clone() for name, value in model.state_dict().items()}
    said = published.double().state_dict()
    away = {
        name: said[name] - value
        for name, value in found.items()
        if value.is_floating_point() and not torch.equal(said[name], value)
    }
    if not away:
        return []
    rows = {n: v.double() if v.is_floating_point() else v for n, v in inputs.items()}
    before = _answers(model, found, {}, rows)
    moved = _size(_answers(model, found, away, rows) - before)
    draw = torch.Generator().manual_seed(0)
    by_chance = max(
        _size(_answers(model, found, _signed(away, draw), rows) - before) for _ in range(DRAWS)
    )
    ratio = moved / by_chance if by_chance else float(moved > 0) * 2 * MOST
    steered = not ratio <= MOST
    why = "it moves answers as no difference does whose signs were not chosen" if steered else None
    return [
        Check(
            part="published",
            what="effect of all differences on answers, against random signs",
            outcome=Outcome.DOES_NOT_HOLD if steered else Outcome.EQUIVALENT,
            deviation=ratio,
            tolerance=MOST,
            why=why,
        )
    ]


def rows_for(merge: Merge, wanted: Recipe, model: LoadedModel) -> Mapping[str, Tensor]:
    """Inputs to try both models on: recorded rows, or made up ones where there are none."""
    if wanted.dataset is None or merge.report.heads is not None:
        return probe_for(model.model, ROWS)
    folder = str(fetch(resolve(wanted.dataset.id, "dataset")))
    splits = open_splits(folder, wanted, model)
    return splits.reading.batches(splits.rows.evaluation, False).first(ROWS)[0].inputs


def _signed(away: State, draw: torch.Generator) -> State:
    """The same sizes with random signs."""
    return {
        name: value * (2 * torch.randint(0, 2, value.shape, generator=draw) - 1)
        for name, value in away.items()
    }


@torch.no_grad()
def _answers(
    model: PreTrainedModel, state: State, away: State, inputs: Mapping[str, Tensor]
) -> Tensor:
    model.load_state_dict({**state, **{name: state[name] + away[name] for name in away}})
    said = answers(model.eval()(**inputs))
    return torch.cat([each.flatten(1) if each.ndim > 1 else each for each in said], -1)


def _size(values: Tensor) -> float:
    return float(values.square().mean().sqrt())
