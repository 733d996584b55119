"""Labelled rows for tiny models, as the evaluation has them."""

from __future__ import annotations

import torch

from hubmerge.data.batches import Batches
from hubmerge.tasks import task_of_model
from tests.helpers.tiny import probe


def labelled(model, rows):
    """Random rows; the labels are what the model itself says, every third one moved on by one."""
    dtype = next(model.parameters()).dtype
    given = probe(model, rows=rows, seed=77, dtype=torch.float32)
    inputs = {n: v.to(dtype) if v.is_floating_point() else v for n, v in given.items()}
    with torch.no_grad():
        logits = model(**inputs).logits
    said = logits.argmax(-1)
    moved = (torch.arange(rows) % 3 == 0).long().view(-1, *[1] * (said.ndim - 1))
    labels = (said + moved) % logits.shape[-1]

    def read(indices):
        return {name: value[list(indices)] for name, value in given.items()}

    kept = task_of_model(model).measure(model.config).statistics(model.config)
    return Batches(read, tuple(range(rows)), labels, statistics=kept)
