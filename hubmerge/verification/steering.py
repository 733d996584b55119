"""Whether a small difference in weights moves answers further than the same with random signs.

Rounding does not know the model: what is left of it after fitting lies where answers hardly depend
on it, and moves them less than differences of the same sizes with random signs. A difference that
was chosen along a gradient moves them many times as far: all of its elements pull one way. Measured
on the demo's ViTs (docs/verify.md): another machine's arithmetic 0.01 to 0.1 of random signs, a
gradient of the same size 15 to 100 times as much.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch
from torch import Tensor
from transformers import PreTrainedModel

from hubmerge.data.batches import Batches
from hubmerge.hub.fetch import fetch
from hubmerge.hub.loaded_model import LoadedModel
from hubmerge.hub.source import resolve
from hubmerge.pipeline.open_data import open_splits
from hubmerge.recipe import Recipe
from hubmerge.reporting.words import words_of
from hubmerge.symmetry.answers import answers
from hubmerge.symmetry.permutation import State
from hubmerge.tasks import probe_for
from hubmerge.verification.download import Merge
from hubmerge.verification.result import Check, Outcome

ROWS = 50
"""Rows whose answers are looked at, or so many made up where there is no data."""
DRAWS = 12
"""Draws of random signs."""
MOST = 3.0
"""Times the largest effect of them on answers beyond which nothing is chance."""
SIGMAS = 6.0
"""Times their root mean square effect on the loss. One number of all rows is moved by a gradient
further than answers are, which it moves in one direction of many: small models, too."""


def check_steering(
    published: PreTrainedModel,
    remade: PreTrainedModel,
    inputs: Mapping[str, Tensor],
    labelled: Batches | None = None,
) -> list[Check]:
    """Whether the published weights lean, judged by the answers to `inputs`, and by the loss of
    `labelled` rows if there are any; no check if all weights are equal.

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
    rows = _in_double(inputs)

    def asked(away: State) -> tuple[Tensor, float | None]:
        model.load_state_dict({**found, **{name: found[name] + away[name] for name in away}})
        model.eval()
        with torch.no_grad():
            return _answers(model, rows), None if labelled is None else _loss(model, labelled)

    before, loss = asked({})
    moved, lost = asked(away)
    draw = torch.Generator().manual_seed(0)
    chance = [asked(_signed(away, draw)) for _ in range(DRAWS)]
    farthest = max(_size(each - before) for each, _ in chance)
    checks = [_check("answers", _size(moved - before), farthest, MOST)]
    if loss is not None and lost is not None:
        drawn = torch.tensor([each - loss for _, each in chance if each is not None])
        checks.append(_check("loss", abs(lost - loss), _size(drawn), SIGMAS))
    return checks


def _check(what: str, moved: float, by_chance: float, most: float) -> Check:
    ratio = moved / by_chance if by_chance else float(moved > 0) * 2 * most
    steered = not ratio <= most
    return Check(
        part="published",
        what=f"effect of all differences on {what}, against random signs",
        outcome=Outcome.DOES_NOT_HOLD if steered else Outcome.EQUIVALENT,
        deviation=ratio,
        tolerance=most,
        why=f"it moves {what} as no difference does whose signs were not chosen"
        if steered
        else None,
    )


def rows_for(
    merge: Merge, wanted: Recipe, model: LoadedModel
) -> tuple[Mapping[str, Tensor], Batches | None]:
    """Inputs to try both models on, and rows with labels; where there are no data, made up inputs
    and none.
    """
    if wanted.dataset is None or merge.report.heads is not None:
        return probe_for(model.model, ROWS), None
    folder = str(fetch(resolve(wanted.dataset.id, "dataset")))
    splits = open_splits(folder, wanted, model)
    inputs = splits.reading.batches(splits.rows.evaluation, False).first(ROWS)[0].inputs
    has_loss = words_of(merge.report).has_loss
    return inputs, splits.evaluation.first(ROWS) if has_loss else None


def _signed(away: State, draw: torch.Generator) -> State:
    """The same sizes with random signs."""
    return {
        name: value * (2 * torch.randint(0, 2, value.shape, generator=draw) - 1)
        for name, value in away.items()
    }


def _in_double(inputs: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {n: v.double() if v.is_floating_point() else v for n, v in inputs.items()}


def _answers(model: PreTrainedModel, inputs: Mapping[str, Tensor]) -> Tensor:
    said = answers(model(**inputs))
    return torch.cat([each.flatten(1) if each.ndim > 1 else each for each in said], -1)


def _loss(model: PreTrainedModel, rows: Batches) -> float | None:
    """The mean loss of the first batch of `rows`; None where it is no number."""
    batch, kept = rows[0], rows.statistics
    if batch.labels is None or kept is None:
        return None
    figures = kept.of_batch(kept.ask(model, _in_double(batch.inputs)), batch.labels)
    said = kept.outputs(figures.numpy(), batch.labels.numpy(), rows.answers)
    loss = float(said.losses().mean())
    return loss if math.isfinite(loss) else None


def _size(values: Tensor) -> float:
    return float(values.square().mean().sqrt())
