"""Rows that batch norms can normalise by themselves: those of which they see more than one value.

Behind a layer that leaves one place of every image, and in a network on feature vectors, a batch
norm sees one value per channel of a row. The mean of one row is then the row, and nothing is left
of it: such a row is taken together with others.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from hubmerge.errors import RecipeError
from hubmerge.utils.hooks import entering
from hubmerge.utils.input_batches import InputBatch, InputBatches


@dataclass(frozen=True)
class JoinedBatch:
    """The rows of two batches as one."""

    inputs: Mapping[str, Tensor]
    labels: Tensor | None

    def __len__(self) -> int:
        return len(next(iter(self.inputs.values())))


@dataclass(frozen=True)
class LastTwoAsOne:
    """Batches of which the last one is taken together with the one before it."""

    batches: InputBatches

    def __len__(self) -> int:
        return len(self.batches) - 1

    def __getitem__(self, number: int, /) -> InputBatch:
        number = range(len(self))[number]
        here = self.batches[number]
        return join_batches(here, self.batches[number + 1]) if number == len(self) - 1 else here


def join_batches(first: InputBatch, last: InputBatch) -> JoinedBatch:
    """All rows of the first, then those of the last."""
    labels = [getattr(batch, "labels", None) for batch in (first, last)]
    known = [label for label in labels if label is not None]
    return JoinedBatch(
        {name: torch.cat([value, last.inputs[name]]) for name, value in first.inputs.items()},
        torch.cat(known) if len(known) == len(labels) else None,
    )


def sees_one_value(model: nn.Module, inputs: Mapping[str, Tensor]) -> bool:
    """Whether a batch norm of `model` sees one value per channel of a row of `inputs`."""
    norms = [name for name, module in model.named_modules() if isinstance(module, _BatchNorm)]
    if not norms:
        return False
    model = copy.deepcopy(model).eval()
    like = next(model.parameters())
    row = {
        name: value[:1].to(like if value.is_floating_point() else like.device)
        for name, value in inputs.items()
    }
    counts: list[int] = []

    def look(given: Tensor) -> None:
        counts.append(given[:, 0].numel())

    with entering(model, dict.fromkeys(norms, look)), torch.inference_mode():
        model(**row)
    return 1 in counts


def check_two_rows(batches: InputBatches, what: str) -> None:
    """Raises: RecipeError, if `batches` have one row in all. what: the rows are for."""
    if len(batches) == 1 and len(batches[0]) == 1:
        raise RecipeError(
            "batch norms cannot normalise a single row by itself",
            found=f"one {what} row, of which a batch norm sees one value per channel",
            hint=f"ask for two {what} rows or more",
        )


def normalisable(batches: InputBatches, model: nn.Module, what: str) -> InputBatches:
    """`batches`, each of which the batch norms of `model` can normalise by itself.

    A last one of a single row goes to the one before it where they could not. what: the rows are
    for. Raises: RecipeError, if there is no row beside it.
    """
    if not len(batches) or len(last := batches[len(batches) - 1]) > 1:
        return batches
    if not sees_one_value(model, last.inputs):
        return batches
    check_two_rows(batches, what)
    return LastTwoAsOne(batches)
