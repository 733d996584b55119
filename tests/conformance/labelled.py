"""Labelled rows for tiny models, as the measuring room has them."""

from __future__ import annotations

import torch

from hubmerge.measure.batches import Batches
from tests.conformance.tiny import probe


def labelled(model, rows):
    """Random rows; the labels are what the model itself says, every third one moved on by one."""
    dtype = next(model.parameters()).dtype
    given = probe(model, rows=rows, seed=77, dtype=torch.float32)
    with torch.no_grad():
        said = model(**{name: value.to(dtype) for name, value in given.items()}).logits.argmax(-1)
    moved = (torch.arange(rows) % 3 == 0).long()
    labels = (said + moved) % model.config.num_labels

    def read(indices):
        return {name: value[list(indices)] for name, value in given.items()}

    return Batches(read, tuple(range(rows)), labels)
